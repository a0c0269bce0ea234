// CMC and mean average precision at the size of MARS beside the bare matrix product of its
// distances and beside numpy.
#pragma once

#include <filesystem>
#include <vector>

#include "benchmarks/table_row.h"

namespace muster::benchmarks {

// 1,980 queries, 12,180 gallery tracklets, 1,024 features. Runs muster-cmc-worker, which stands
// beside this program, and python3 with numpy and h5py. Throws SystemError if one of them fails or
// if their answers differ. `directory` is for a file of 58 MiB.
std::vector<TableRow> cmc_rows(const std::filesystem::path& directory);

}  // namespace muster::benchmarks
