// MATLAB 5 files of one integer matrix, the same bytes every time (no date in the header).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace muster::datastore {

// `values` row by row, rows x columns. Throws SystemError.
void write_matlab_matrix(const std::filesystem::path& path, const std::string& variable,
                         size_t rows, size_t columns, const std::vector<int32_t>& values);

}  // namespace muster::datastore
