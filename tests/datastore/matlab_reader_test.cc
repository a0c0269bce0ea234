#include "datastore/matlab_reader.h"

#include <gtest/gtest.h>
#include <matio.h>

#include <cmath>
#include <fstream>
#include <memory>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

// A file of 2 x 3 tables, written by the library that the reader stands on; values by column.
template <typename T>
void write_tables(const fs::path& path, const std::vector<std::string>& names,
                  matio_classes class_type, matio_types type, std::vector<T> values,
                  bool compressed = false) {
  const std::unique_ptr<mat_t, int (*)(mat_t*)> file(
      Mat_CreateVer(path.c_str(), "test", MAT_FT_MAT5), Mat_Close);
  size_t dimensions[2] = {2, 3};
  for (const std::string& name : names) {
    const std::unique_ptr<matvar_t, void (*)(matvar_t*)> table(
        Mat_VarCreate(name.c_str(), class_type, type, 2, dimensions, values.data(), 0),
        Mat_VarFree);
    Mat_VarWrite(file.get(), table.get(), compressed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE);
  }
}

class MatlabReaderTest : public testing::Test {
 protected:
  template <typename T>
  void expect_read(matio_classes class_type, matio_types type) {
    write_tables<T>(path_, {"table"}, class_type, type, {1, 4, 2, 5, 3, 6});
    const IntegerMatrix matrix = read_matlab_matrix(path_, "table", 3);
    EXPECT_EQ(matrix.rows, 2u);
    EXPECT_EQ(matrix.columns, 3u);
    EXPECT_EQ(matrix.values, (std::vector<int64_t>{1, 2, 3, 4, 5, 6})) << class_type;
  }
  std::string refusal(const std::string& variable = "table", size_t columns = 0) const {
    const std::string text =
        failure_text<InputError>([&] { read_matlab_matrix(path_, variable, columns); });
    EXPECT_TRUE(contains(text, path_.string())) << text;
    return text;
  }
  void write_doubles(std::vector<double> values) const {
    write_tables<double>(path_, {"table"}, MAT_C_DOUBLE, MAT_T_DOUBLE, std::move(values));
  }
  TestDirectory directory_;
  const fs::path path_ = directory_ / "lists.mat";
};

TEST_F(MatlabReaderTest, ReadsEveryNumericClassRowByRow) {
  expect_read<double>(MAT_C_DOUBLE, MAT_T_DOUBLE);
  expect_read<float>(MAT_C_SINGLE, MAT_T_SINGLE);
  expect_read<int8_t>(MAT_C_INT8, MAT_T_INT8);
  expect_read<uint8_t>(MAT_C_UINT8, MAT_T_UINT8);
  expect_read<int16_t>(MAT_C_INT16, MAT_T_INT16);
  expect_read<uint16_t>(MAT_C_UINT16, MAT_T_UINT16);
  expect_read<int32_t>(MAT_C_INT32, MAT_T_INT32);
  expect_read<uint32_t>(MAT_C_UINT32, MAT_T_UINT32);
  expect_read<int64_t>(MAT_C_INT64, MAT_T_INT64);
  expect_read<uint64_t>(MAT_C_UINT64, MAT_T_UINT64);
}

TEST_F(MatlabReaderTest, ReadsCompressedVariables) {
  write_tables<int32_t>(path_, {"table"}, MAT_C_INT32, MAT_T_INT32, {1, 4, 2, 5, 3, -6}, true);
  EXPECT_EQ(read_matlab_matrix(path_, "table").values, (std::vector<int64_t>{1, 2, 3, 4, 5, -6}));
}

TEST_F(MatlabReaderTest, TakesTheOnlyVariableWhateverItsName) {
  write_tables<int32_t>(path_, {"other"}, MAT_C_INT32, MAT_T_INT32, {1, 4, 2, 5, 3, 6});
  EXPECT_EQ(read_matlab_matrix(path_, "table").values.size(), 6u);
}

TEST_F(MatlabReaderTest, DoesNotGuessAmongSeveral) {
  write_tables<int32_t>(path_, {"one", "two"}, MAT_C_INT32, MAT_T_INT32, {1, 4, 2, 5, 3, 6});
  EXPECT_EQ(read_matlab_matrix(path_, "two").values.size(), 6u);
  EXPECT_TRUE(contains(refusal("three"), "one, two"));
}

TEST_F(MatlabReaderTest, RefusesOtherColumnsThanAsked) {
  write_doubles({1, 4, 2, 5, 3, 6});
  EXPECT_TRUE(contains(refusal("table", 4), "3 columns instead of 4"));
}

TEST_F(MatlabReaderTest, RefusesValuesThatAreNotWhole) {
  write_doubles({1, 4, 2.5, 5, 3, 6});
  EXPECT_TRUE(contains(refusal(), "2.5"));
  write_doubles({1, 4, std::nan(""), 5, 3, 6});
  refusal();
  write_doubles({1, 4, 1e300, 5, 3, 6});
  EXPECT_EQ(refusal(), path_.string() +
                           ": row 1 holds 1e+300 where a whole number should be; fetch the file "
                           "again");
  write_doubles({1, 4, 2, -0.25, 3, 6});
  EXPECT_TRUE(contains(refusal(), "row 2 holds -0.25 where"));
}

TEST_F(MatlabReaderTest, RefusesText) {
  write_tables<char>(path_, {"table"}, MAT_C_CHAR, MAT_T_UINT8, {'a', 'b', 'c', 'd', 'e', 'f'});
  EXPECT_TRUE(contains(refusal(), "numbers"));
}

TEST_F(MatlabReaderTest, NamesAFileThatIsMissingEmptyOrNoneOfMatlab) {
  EXPECT_TRUE(contains(refusal(), "no such file"));
  for (const std::string& content : {std::string(), std::string("text"), std::string(500, 'x')}) {
    std::ofstream(path_, std::ios::trunc) << content;
    refusal();
  }
  fs::remove(path_);
  fs::create_directory(path_);
  refusal();
}

TEST_F(MatlabReaderTest, EveryShorterFileIsRefused) {
  for (const bool compressed : {false, true}) {
    write_tables<int32_t>(path_, {"table"}, MAT_C_INT32, MAT_T_INT32, {1, 4, 2, 5, 3, 6},
                          compressed);
    const std::string whole = common::read_file(path_);
    for (size_t length = 0; length < whole.size(); ++length) {
      std::ofstream(path_, std::ios::trunc | std::ios::binary) << whole.substr(0, length);
      EXPECT_THROW(read_matlab_matrix(path_, "table", 3), InputError)
          << length << " of " << whole.size() << " bytes, compressed " << compressed;
    }
  }
}

TEST_F(MatlabReaderTest, AFlippedBitIsRefusedOrReadAsATableOfThatShape) {
  for (const bool compressed : {false, true}) {
    write_tables<int32_t>(path_, {"table"}, MAT_C_INT32, MAT_T_INT32, {1, 4, 2, 5, 3, 6},
                          compressed);
    const std::string whole = common::read_file(path_);
    for (size_t bit = 0; bit < 8 * whole.size(); bit += 7) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      std::ofstream(path_, std::ios::trunc | std::ios::binary) << flipped;
      try {
        const IntegerMatrix matrix = read_matlab_matrix(path_, "table", 3);
        EXPECT_EQ(matrix.values.size(), matrix.rows * 3) << bit;
      } catch (const InputError& refusal) {
        EXPECT_TRUE(contains(refusal.what(), path_.string()));
      }
    }
  }
}

}  // namespace
}  // namespace muster::datastore
