// The speed table for people and for programs.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "benchmarks/table_row.h"

namespace muster::benchmarks {

// One line per row under a heading; a missed target is marked.
void print_table(const std::vector<TableRow>& rows, std::ostream& out);

// A JSON list of objects with the fields of TableRow.
void print_json(const std::vector<TableRow>& rows, std::ostream& out);
std::vector<TableRow> rows_of_json(const std::string& text);

}  // namespace muster::benchmarks
