// Rows of the speed table about messages between ranks.
#pragma once

#include <filesystem>
#include <vector>

#include "benchmarks/table_row.h"

namespace muster::benchmarks {

// Runs muster-all-reduce, which lies beside this program, on two ranks. Throws SystemError if it
// cannot be run.
std::vector<TableRow> all_reduce_rows();

}  // namespace muster::benchmarks
