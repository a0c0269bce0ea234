// Work in a process of its own: what one part of the table does to the allocator and to resident
// memory does not reach the next.
#pragma once

#include <functional>
#include <vector>

#include "benchmarks/table_row.h"

namespace muster::benchmarks {

// Rows that `work` gives in a forked copy of this process, which must have one thread. Its
// exceptions are told on standard error there, and throw SystemError here.
std::vector<TableRow> rows_of_separate_process(const std::function<std::vector<TableRow>()>& work);

}  // namespace muster::benchmarks
