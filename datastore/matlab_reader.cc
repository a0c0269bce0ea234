#include "datastore/matlab_reader.h"

#include <matio.h>

#include <cmath>
#include <memory>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

constexpr size_t kMostValues = size_t{1} << 24;  // the longest list known has 50 thousand

struct CloseFile {
  void operator()(mat_t* file) const { Mat_Close(file); }
};
struct FreeVariable {
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};
using File = std::unique_ptr<mat_t, CloseFile>;
using Variable = std::unique_ptr<matvar_t, FreeVariable>;

InputError damaged(const fs::path& path, const std::string& problem) {
  return InputError(path.string(), problem, "fetch the file again");
}

// The library reads on past the end of a file that was cut short and returns what it likes. A
// MATLAB 5 file is 128 bytes, the last two its byte order, then blocks that begin with type and
// length.
bool ends_where_its_last_block_does(const fs::path& path) {
  constexpr size_t kHeaderBytes = 128, kTagBytes = 8;
  const std::string bytes = common::read_file(path);
  if (bytes.size() < kHeaderBytes + kTagBytes) return false;
  const bool little_endian = bytes[126] == 'I';
  size_t place = kHeaderBytes;
  while (place + kTagBytes <= bytes.size()) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) {
      const size_t byte = place + 4 + (little_endian ? 3 - i : i);
      length = length << 8 | static_cast<unsigned char>(bytes[byte]);
    }
    place += kTagBytes + length;
  }
  return place == bytes.size();
}

File opened(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw damaged(path, "no such file");
  if (!fs::is_regular_file(path, ignored)) throw damaged(path, "is not a file");
  File file(Mat_Open(path.c_str(), MAT_ACC_RDONLY));
  if (!file) throw damaged(path, "is not a MATLAB file");
  if (Mat_GetVersion(file.get()) == MAT_FT_MAT5 && !ends_where_its_last_block_does(path)) {
    throw damaged(path, "is cut short or damaged");
  }
  return file;
}

// What the file says of the variable, without its values.
Variable header_of(mat_t* file, const fs::path& path, const std::string& name) {
  Variable variable(Mat_VarReadInfo(file, name.c_str()));
  if (variable) return variable;
  Mat_Rewind(file);
  std::string others;
  size_t count = 0;
  for (Variable next(Mat_VarReadNextInfo(file)); next; next.reset(Mat_VarReadNextInfo(file))) {
    if (next->name != nullptr) others += (count == 0 ? "" : ", ") + std::string(next->name);
    if (count++ == 0) variable = std::move(next);
  }
  if (count == 0) throw damaged(path, "holds no variable that can be read");
  if (count > 1) {
    throw damaged(path, "holds no variable '" + name + "', only " + others);
  }
  return variable;
}

std::string short_number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

// By column, as the file has them.
template <typename T>
std::vector<int64_t> whole_numbers(const matvar_t& variable, size_t count, const fs::path& path) {
  const size_t rows = variable.dims[0];
  const T* values = static_cast<const T*>(variable.data);
  std::vector<int64_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      // Beyond 2^53 a double is no longer exact; the comparison is false for NaN too.
      if (!(std::abs(values[i]) < 9e15) || values[i] != std::floor(values[i])) {
        throw damaged(path, "row " + std::to_string(i % rows + 1) + " holds " +
                                short_number(static_cast<double>(values[i])) +
                                " where a whole number should be");
      }
    }
    numbers[i] = static_cast<int64_t>(values[i]);
  }
  return numbers;
}

std::vector<int64_t> values_of(const matvar_t& variable, size_t count, const fs::path& path) {
  switch (variable.class_type) {
    case MAT_C_DOUBLE:
      return whole_numbers<double>(variable, count, path);
    case MAT_C_SINGLE:
      return whole_numbers<float>(variable, count, path);
    case MAT_C_INT8:
      return whole_numbers<int8_t>(variable, count, path);
    case MAT_C_UINT8:
      return whole_numbers<uint8_t>(variable, count, path);
    case MAT_C_INT16:
      return whole_numbers<int16_t>(variable, count, path);
    case MAT_C_UINT16:
      return whole_numbers<uint16_t>(variable, count, path);
    case MAT_C_INT32:
      return whole_numbers<int32_t>(variable, count, path);
    case MAT_C_UINT32:
      return whole_numbers<uint32_t>(variable, count, path);
    case MAT_C_INT64:
      return whole_numbers<int64_t>(variable, count, path);
    case MAT_C_UINT64:
      return whole_numbers<uint64_t>(variable, count, path);
    default:
      throw damaged(path, "does not hold numbers");
  }
}

// [rows, columns] of a variable that is a plain table of numbers.
std::pair<size_t, size_t> shape_of(const matvar_t& variable, const fs::path& path) {
  const bool numeric = variable.class_type >= MAT_C_DOUBLE && variable.class_type <= MAT_C_UINT64;
  if (!numeric || variable.isComplex != 0) throw damaged(path, "does not hold numbers");
  if (variable.rank != 2 || variable.dims == nullptr) throw damaged(path, "does not hold a table");
  const size_t rows = variable.dims[0], columns = variable.dims[1];
  if (rows > kMostValues || columns > kMostValues || rows * columns > kMostValues) {
    throw damaged(path, "claims to hold " + std::to_string(rows) + " x " + std::to_string(columns) +
                            " numbers");
  }
  return {rows, columns};
}

}  // namespace

IntegerMatrix read_matlab_matrix(const fs::path& path, const std::string& variable,
                                 size_t columns) {
  const File file = opened(path);
  const Variable header = header_of(file.get(), path, variable);
  IntegerMatrix matrix;
  std::tie(matrix.rows, matrix.columns) = shape_of(*header, path);
  if (columns != 0 && matrix.columns != columns) {
    throw damaged(path, "has " + std::to_string(matrix.columns) + " columns instead of " +
                            std::to_string(columns));
  }
  const size_t count = matrix.rows * matrix.columns;
  if (count == 0) return matrix;
  const bool read = Mat_VarReadDataAll(file.get(), header.get()) == 0;
  if (!read || header->data == nullptr ||
      header->nbytes < count * static_cast<size_t>(header->data_size)) {
    throw damaged(path, "is cut short or damaged");
  }
  const std::vector<int64_t> by_column = values_of(*header, count, path);
  matrix.values.resize(count);
  for (size_t row = 0; row < matrix.rows; ++row) {
    for (size_t column = 0; column < matrix.columns; ++column) {
      matrix.values[row * matrix.columns + column] = by_column[column * matrix.rows + row];
    }
  }
  return matrix;
}

}  // namespace muster::datastore
