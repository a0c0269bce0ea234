#include "datastore/synthetic/matlab_file.h"

#include <matio.h>

#include <memory>

#include "common/error.h"

namespace muster::datastore {
namespace {

struct CloseFile {
  void operator()(mat_t* file) const { Mat_Close(file); }
};
struct FreeVariable {
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};

}  // namespace

void write_matlab_matrix(const std::filesystem::path& path, const std::string& variable,
                         size_t rows, size_t columns, const std::vector<int32_t>& values) {
  MUSTER_REQUIRE(values.size(), ==, rows * columns);
  std::vector<int32_t> by_column(values.size());
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      by_column[column * rows + row] = values[row * columns + column];
    }
  }
  const std::string header = "MATLAB 5.0 MAT-file, written by muster";
  std::unique_ptr<mat_t, CloseFile> file(Mat_CreateVer(path.c_str(), header.c_str(), MAT_FT_MAT5));
  if (!file) throw common::SystemError(path.string(), "cannot be created", "check disk and rights");
  size_t dimensions[2] = {rows, columns};
  std::unique_ptr<matvar_t, FreeVariable> matrix(Mat_VarCreate(
      variable.c_str(), MAT_C_INT32, MAT_T_INT32, 2, dimensions, by_column.data(), 0));
  if (!matrix || Mat_VarWrite(file.get(), matrix.get(), MAT_COMPRESSION_NONE) != 0) {
    throw common::SystemError(path.string(), "cannot be written", "check the disk's free space");
  }
  if (Mat_Close(file.release()) != 0) {
    throw common::SystemError(path.string(), "cannot be written", "check the disk's free space");
  }
}

}  // namespace muster::datastore
