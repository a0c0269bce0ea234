#include "trainer/feature_file.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <cmath>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;

FeatureTable example(int64_t rows, int64_t variants, int64_t features) {
  FeatureTable table;
  table.rows = rows;
  table.variants = variants;
  table.features = features;
  for (int64_t i = 0; i < rows * variants * features; ++i) {
    table.values.push_back(0.25f * static_cast<float>(i) - 1);
  }
  for (int32_t row = 0; row < rows; ++row) {
    table.identity.push_back(row - 1);
    table.camera.push_back(row % 2 + 1);
    table.role.push_back(1 << row % 5);
  }
  table.facts = {{"method", "stsrn"}, {"protocol", "random-half"}};
  return table;
}

// Files as another program would write them: nothing but the C library.
class ForeignFile {
 public:
  explicit ForeignFile(const std::filesystem::path& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  ForeignFile(const ForeignFile&) = delete;
  ForeignFile& operator=(const ForeignFile&) = delete;
  ~ForeignFile() { H5Fclose(file_); }
  void floats(const char* name, const std::vector<hsize_t>& shape,
              const std::vector<float>& values) {
    add(name, shape, H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, values.data());
  }
  // In chunks that are not there.
  void unwritten_floats(const char* name, const std::vector<hsize_t>& shape) {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    const std::vector<hsize_t> chunk(shape.size(), 1);
    H5Pset_chunk(layout, static_cast<int>(shape.size()), chunk.data());
    H5Dclose(H5Dcreate2(file_, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, layout, H5P_DEFAULT));
    H5Pclose(layout);
    H5Sclose(space);
  }
  void integers(const char* name, const std::vector<int64_t>& values) {
    add(name, {values.size()}, H5T_STD_I64LE, H5T_NATIVE_INT64, values.data());
  }

 private:
  void add(const char* name, const std::vector<hsize_t>& shape, hid_t stored, hid_t given,
           const void* values) {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t dataset =
        H5Dcreate2(file_, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(dataset, given, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(dataset);
    H5Sclose(space);
  }
  hid_t file_;
};

// As h5py writes text: one string of variable length.
void add_text_attribute(const std::filesystem::path& path, const char* name, const char* text) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  const hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, type, &text);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  H5Fclose(file);
}

class FeatureFileTest : public testing::Test {
 protected:
  // Two rows of three features, complete but for what `without` names.
  void write_foreign(const std::string& without, const std::vector<float>& values,
                     int64_t columns_length = 2) {
    ForeignFile file(path_);
    if (without != "features") file.floats("features", {2, 3}, values);
    std::vector<int64_t> column(static_cast<size_t>(columns_length), 1);
    for (const char* name : {"identity", "camera", "role"}) {
      if (without != name) file.integers(name, column);
    }
  }
  std::string refusal() {
    std::string text = failure_text<InputError>([&] { read_feature_file(path_); });
    EXPECT_TRUE(contains(text, path_.string())) << text;
    return text;
  }

  common::TestDirectory directory_;
  const std::filesystem::path path_ = directory_ / "features.h5";
};

void expect_equal(const FeatureTable& left, const FeatureTable& right) {
  EXPECT_EQ(left.rows, right.rows);
  EXPECT_EQ(left.variants, right.variants);
  EXPECT_EQ(left.features, right.features);
  EXPECT_EQ(left.values, right.values);
  EXPECT_EQ(left.identity, right.identity);
  EXPECT_EQ(left.camera, right.camera);
  EXPECT_EQ(left.role, right.role);
  EXPECT_EQ(left.facts, right.facts);
}

TEST_F(FeatureFileTest, ATableComesBack) {
  const FeatureTable table = example(5, 1, 3);
  write_feature_file(path_, table);
  expect_equal(read_feature_file(path_), table);
}

TEST_F(FeatureFileTest, VariantsComeBack) {
  const FeatureTable table = example(4, 2, 3);
  write_feature_file(path_, table);
  expect_equal(read_feature_file(path_), table);
}

TEST_F(FeatureFileTest, TheSameTableGivesTheSameBytes) {
  write_feature_file(path_, example(5, 2, 3));
  write_feature_file(directory_ / "again.h5", example(5, 2, 3));
  EXPECT_EQ(common::read_file(path_), common::read_file(directory_ / "again.h5"));
}

TEST_F(FeatureFileTest, AnOlderFileIsReplaced) {
  write_feature_file(path_, example(5, 1, 3));
  write_feature_file(path_, example(2, 1, 3));
  EXPECT_EQ(read_feature_file(path_).rows, 2);
}

TEST_F(FeatureFileTest, AFileOfAnotherProgramIsRead) {
  write_foreign("", {1, 2, 3, 4, 5, 6});
  const FeatureTable table = read_feature_file(path_);
  EXPECT_EQ(table.rows, 2);
  EXPECT_EQ(table.variants, 1);
  EXPECT_EQ(table.features, 3);
  EXPECT_EQ(table.values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(table.identity, (std::vector<int32_t>{1, 1}));
  EXPECT_TRUE(table.facts.empty());
}

TEST_F(FeatureFileTest, AMissingDatasetIsNamed) {
  for (const char* name : {"features", "identity", "camera", "role"}) {
    write_foreign(name, {1, 2, 3, 4, 5, 6});
    EXPECT_TRUE(contains(refusal(), name));
  }
}

TEST_F(FeatureFileTest, AValueThatIsNotFiniteIsRefusedWithItsRow) {
  write_foreign("", {1, 2, 3, 4, std::nanf(""), 6});
  EXPECT_TRUE(contains(refusal(), "row 1"));
  write_foreign("", {1, INFINITY, 3, 4, 5, 6});
  EXPECT_TRUE(contains(refusal(), "row 0"));
}

TEST_F(FeatureFileTest, ColumnsOfAnotherLengthAreRefused) {
  write_foreign("", {1, 2, 3, 4, 5, 6}, 3);
  EXPECT_TRUE(contains(refusal(), "identity"));
  write_foreign("", {1, 2, 3, 4, 5, 6}, 1);
  EXPECT_TRUE(contains(refusal(), "identity"));
}

// Cut to 32 bits, different people would become one.
TEST_F(FeatureFileTest, NumbersOfPeopleThatDoNotFitAreRefused) {
  for (const int64_t large : {int64_t{1} << 31, int64_t{1} << 40, -(int64_t{1} << 31) - 1}) {
    {
      ForeignFile file(path_);
      file.floats("features", {2, 3}, {1, 2, 3, 4, 5, 6});
      file.integers("identity", {7, large});
      for (const char* name : {"camera", "role"}) file.integers(name, {1, 1});
    }
    const std::string text = refusal();
    EXPECT_TRUE(contains(text, "row 1 of '/identity' holds")) << text;
  }
}

TEST_F(FeatureFileTest, FractionsOfPeopleAreRefused) {
  {
    ForeignFile file(path_);
    file.floats("features", {2, 3}, {1, 2, 3, 4, 5, 6});
    for (const char* name : {"identity", "role"}) file.integers(name, {1, 1});
    file.floats("camera", {2}, {2, 2.5});
  }
  EXPECT_TRUE(contains(refusal(), "row 1 of '/camera' holds 2.5"));
}

TEST_F(FeatureFileTest, FeaturesOfOneAxisAreRefused) {
  ForeignFile(path_).floats("features", {6}, {1, 2, 3, 4, 5, 6});
  EXPECT_TRUE(contains(refusal(), "features"));
}

TEST_F(FeatureFileTest, NoFeaturesPerRowAreRefused) {
  ForeignFile(path_).floats("features", {2, 0}, {});
  EXPECT_TRUE(contains(refusal(), "no features per row"));
  ForeignFile(path_).floats("features", {2, 0, 3}, {});
  EXPECT_TRUE(contains(refusal(), "no features per row"));
}

// The first product of axes is 0 in 64 bits, the second one more memory than there is.
TEST_F(FeatureFileTest, ShapesThatTheFileCannotHoldAreRefused) {
  constexpr hsize_t kHuge = hsize_t{1} << 32;
  for (const std::vector<hsize_t>& shape :
       {std::vector<hsize_t>{1, kHuge, kHuge}, {1, kHuge << 10}, {kHuge << 10, 3}}) {
    ForeignFile(path_).unwritten_floats("features", shape);
    EXPECT_TRUE(contains(refusal(), "the file holds 0 bytes of it")) << refusal();
  }
}

TEST_F(FeatureFileTest, FactsMayBeOfVariableLengthAndHoldNumbers) {
  write_foreign("", {1, 2, 3, 4, 5, 6});
  add_text_attribute(path_, "facts", R"({"method": "mine", "split": 3})");
  EXPECT_EQ(read_feature_file(path_).facts,
            (std::map<std::string, std::string>{{"method", "mine"}, {"split", "3"}}));
}

TEST_F(FeatureFileTest, FactsThatAreNoObjectAreRefused) {
  write_foreign("", {1, 2, 3, 4, 5, 6});
  add_text_attribute(path_, "facts", "mine");
  EXPECT_TRUE(contains(refusal(), "'facts'"));
}

TEST_F(FeatureFileTest, OnlyAFeatureFileOfOursMayBeReplaced) {
  require_replaceable_feature_file(path_);
  write_feature_file(path_, example(5, 1, 3));
  require_replaceable_feature_file(path_);
  const auto is_refused = [&] {
    const std::string text =
        failure_text<InputError>([&] { require_replaceable_feature_file(path_); });
    EXPECT_TRUE(contains(text, path_.string())) << text;
  };
  common::write_file_atomically(path_, "my thesis");
  is_refused();
  EXPECT_EQ(common::read_file(path_), "my thesis");
  write_foreign("", {1, 2, 3, 4, 5, 6});
  is_refused();
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  is_refused();
}

TEST_F(FeatureFileTest, AMissingFileIsRefused) { refusal(); }

TEST_F(FeatureFileTest, AFileThatIsNotHdf5IsRefused) {
  common::write_file_atomically(path_, "not HDF5");
  refusal();
}

TEST_F(FeatureFileTest, ATruncatedFileIsRefused) {
  write_feature_file(path_, example(5, 1, 3));
  const std::string content = common::read_file(path_);
  common::write_file_atomically(path_, content.substr(0, content.size() / 2));
  refusal();
}

TEST_F(FeatureFileTest, ATableThatDoesNotFitItsSizesIsNotWritten) {
  FeatureTable table = example(5, 1, 3);
  table.values.pop_back();
  EXPECT_THROW(write_feature_file(path_, table), common::RequirementError);
  EXPECT_TRUE(common::names_in(directory_.path()).empty());
}

TEST_F(FeatureFileTest, ATableWithAColumnTooShortIsNotWritten) {
  FeatureTable table = example(5, 1, 3);
  table.camera.pop_back();
  EXPECT_THROW(write_feature_file(path_, table), common::RequirementError);
  EXPECT_TRUE(common::names_in(directory_.path()).empty());
}

TEST_F(FeatureFileTest, AFolderThatIsNotThereIsASystemError) {
  EXPECT_THROW(write_feature_file(directory_ / "none" / "a.h5", example(1, 1, 1)),
               common::SystemError);
}

// As a signature of several tensors.
FeatureTable several_tensors(int64_t variants, int64_t features) {
  FeatureTable table = example(3, variants, features);
  FeatureTensor& parts = table.further["parts"];
  parts.shape = {2, 4};
  for (int64_t i = 0; i < 3 * variants * 8; ++i) parts.values.push_back(static_cast<float>(i) / 8);
  table.further["quality"].values.assign(static_cast<size_t>(3 * variants), 0.5f);  // a number each
  return table;
}

TEST_F(FeatureFileTest, EveryTensorOfASignatureIsADataset) {
  const common::TestDirectory directory;
  for (const int64_t variants : {1, 5}) {
    for (const int64_t features : {0, 6}) {
      const FeatureTable written = several_tensors(variants, features);
      write_feature_file(directory / "f.h5", written);
      const FeatureTable read = read_feature_file(directory / "f.h5");
      EXPECT_EQ(read.rows, 3);
      EXPECT_EQ(read.variants, variants);
      EXPECT_EQ(read.features, features);
      EXPECT_EQ(read.values, written.values);
      ASSERT_EQ(read.further.size(), 2u);
      EXPECT_EQ(read.further.at("parts").shape, (std::vector<int64_t>{2, 4}));
      EXPECT_EQ(read.further.at("parts").values, written.further.at("parts").values);
      EXPECT_TRUE(read.further.at("quality").shape.empty());
      EXPECT_EQ(read.further.at("quality").values, written.further.at("quality").values);
      EXPECT_NO_THROW(require_replaceable_feature_file(directory / "f.h5"));
    }
  }
}

TEST_F(FeatureFileTest, AValueOfAnyTensorThatIsNotFiniteIsNamed) {
  const common::TestDirectory directory;
  FeatureTable table = several_tensors(1, 6);
  table.further["parts"].values[9] = std::nanf("");
  write_feature_file(directory / "f.h5", table);
  const std::string text = failure_text<InputError>([&] { read_feature_file(directory / "f.h5"); });
  EXPECT_TRUE(contains(text, "row 1 of 'parts'")) << text;
}

TEST_F(FeatureFileTest, DatasetsThatAreNotListedAreNoTensors) {
  const common::TestDirectory directory;
  {
    ForeignFile file(directory / "f.h5");
    file.floats("features", {2, 3}, {1, 2, 3, 4, 5, 6});
    file.floats("notes", {7}, {1, 2, 3, 4, 5, 6, 7});
    file.integers("identity", {1, 2});
    file.integers("camera", {1, 2});
    file.integers("role", {1, 2});
  }
  EXPECT_TRUE(read_feature_file(directory / "f.h5").further.empty());
}

TEST_F(FeatureFileTest, TensorsMustFitTheTable) {
  const common::TestDirectory directory;
  FeatureTable table = several_tensors(1, 6);
  table.further["parts"].values.pop_back();
  EXPECT_THROW(write_feature_file(directory / "f.h5", table), common::RequirementError);
  table = several_tensors(1, 6);
  table.further["identity"] = table.further["parts"];
  EXPECT_THROW(write_feature_file(directory / "f.h5", table), common::RequirementError);
}

// Rows of all tensors, near each other, far apart and across the border of what is read at once.
TEST(StoredFeaturesTest, RowsOfAFileEqualThoseInMemory) {
  const common::TestDirectory directory;
  const auto path = directory.path() / "features.h5";
  FeatureTable table = example(2600, 2, 1500);
  FeatureTensor& parts = table.further["parts"];
  parts.shape = {2, 3};
  for (int64_t i = 0; i < table.rows * 2 * 6; ++i) {
    parts.values.push_back(static_cast<float>(i));
  }
  write_feature_file(path, table);
  const FeatureTable memory = read_feature_file(path), stored = read_feature_file(path, 1 << 20);
  EXPECT_EQ(memory.stored, nullptr);
  ASSERT_NE(stored.stored, nullptr);
  EXPECT_TRUE(stored.values.empty());
  EXPECT_TRUE(stored.further.at("parts").values.empty());
  EXPECT_EQ(stored.row_bytes(), (2 * 1500 + 2 * 6) * 4);
  std::vector<int64_t> all;
  for (int64_t row = 0; row < table.rows; ++row) all.push_back(row);
  for (const std::vector<int64_t>& rows :
       {all, {0, 1, 2, 10, 11, 400, 2599}, {1398, 1399}, {1396, 1420, 1425}, {}}) {
    for (const std::string& tensor : table.tensors()) {
      const auto size = static_cast<size_t>(table.row_size(tensor));
      std::vector<float> ours(rows.size() * size), theirs(ours.size()), plain;
      copy_rows(memory, tensor, rows, ours.data());
      copy_rows(stored, tensor, rows, theirs.data());
      const auto& values = tensor == "features" ? table.values : parts.values;
      for (const int64_t row : rows) {
        const auto from = values.begin() + row * static_cast<int64_t>(size);
        plain.insert(plain.end(), from, from + static_cast<int64_t>(size));
      }
      EXPECT_TRUE(ours == plain);
      EXPECT_TRUE(theirs == plain);
    }
  }
}

TEST(StoredFeaturesTest, AValueThatIsNotFiniteIsFoundAlsoInWhatStaysInTheFile) {
  const common::TestDirectory directory;
  const auto path = directory.path() / "features.h5";
  FeatureTable table = example(3000, 1, 2000);
  table.values[2900 * 2000 + 7] = NAN;
  write_feature_file(path, table);
  const std::string text = failure_text<InputError>([&] { read_feature_file(path, 1000); });
  EXPECT_TRUE(contains(text, "row 2900 of 'features' holds a value that is not finite")) << text;
}

}  // namespace
}  // namespace muster::trainer
