// Integer tables out of MATLAB files: the lists that datasets are published with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace muster::datastore {

struct IntegerMatrix {
  size_t rows = 0, columns = 0;
  std::vector<int64_t> values;  // row by row
  int64_t at(size_t row, size_t column) const { return values[row * columns + column]; }
};

// The variable of that name or, where there is none, the only one in the file; of any numeric
// class, as long as every value is a whole number. `columns` is how many it must have, 0: any.
// Throws InputError naming the file if it is missing, damaged or holds something else.
IntegerMatrix read_matlab_matrix(const std::filesystem::path& path, const std::string& variable,
                                 size_t columns = 0);

}  // namespace muster::datastore
