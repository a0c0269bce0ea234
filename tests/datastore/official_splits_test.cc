// The published halves of iLIDS-VID and PRID-2011, read through their layouts.
#include "datastore/official_splits.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "datastore/synthetic/matlab_file.h"
#include "tests/datastore/dataset_files.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;
using nlohmann::json;

using Row = std::vector<int32_t>;

// The first row, then nine others.
void write_splits(const fs::path& file, const Row& first, const Row& others, size_t rows = 10) {
  fs::create_directories(file.parent_path());
  std::vector<int32_t> table = first;
  for (size_t row = 1; row < rows; ++row) table.insert(table.end(), others.begin(), others.end());
  write_matlab_matrix(file, "ls_set", rows, first.size(), table);
}

class IlidsSplitsTest : public testing::Test {
 protected:
  IlidsSplitsTest() {
    for (const char* camera : {"cam1", "cam2"}) {
      for (const char* name : {"person013", "person001", "person319", "person007"}) {
        write_person(root() / "sequences" / camera / name, 1, 1);
      }
    }
  }
  fs::path root() const { return directory_.path(); }
  fs::path table() const {
    return root() / "train-test people splits" / "train_test_splits_ilidsvid.mat";
  }
  DatasetFacts facts() const { return opened(open_ilids_vid, root())->facts(); }
  void expect_refused(const fs::path& file, const std::string& words) const {
    const std::string text = failure_text<InputError>([&] { facts(); });
    EXPECT_TRUE(contains(text, file.string()) && contains(text, words)) << text;
  }
  void write_named(const json& first) const {
    json splits = json::array();
    for (size_t split = 0; split < 10; ++split) splits.push_back(first);
    std::ofstream(root() / "splits.json") << splits;
  }
  TestDirectory directory_;
};

TEST_F(IlidsSplitsTest, TheFirstHalfTestsAndNumbersCountThroughTheSortedFolders) {
  write_splits(table(), {4, 1, 2, 3}, {2, 3, 4, 1});
  const DatasetFacts facts = this->facts();
  ASSERT_EQ(facts.test_identities.size(), 10u);
  EXPECT_EQ(facts.test_identities[0], (Row{1, 319}));
  EXPECT_EQ(facts.test_identities[9], (Row{7, 13}));
  EXPECT_EQ(facts.split_identities, (Row{1, 7, 13, 319}));
}

TEST_F(IlidsSplitsTest, WithoutAFileThereAreNone) {
  EXPECT_TRUE(facts().test_identities.empty());
  EXPECT_TRUE(facts().split_identities.empty());
}

TEST_F(IlidsSplitsTest, APersonOfOneCameraCountsToo) {
  fs::remove_all(root() / "sequences/cam1/person007");
  fs::remove_all(root() / "sequences/cam2/person013");
  write_splits(table(), {2, 1, 3, 4}, {3, 4, 1, 2});
  EXPECT_EQ(facts().test_identities[0], (Row{1, 7}));
}

TEST_F(IlidsSplitsTest, ATableThatDoesNotFitIsRefused) {
  write_splits(table(), {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5});
  expect_refused(table(), "5 persons, there are 4");
  write_splits(table(), {1, 2, 3}, {1, 2, 3});
  expect_refused(table(), "3 persons, there are 4");
  write_splits(table(), {1, 2, 3, 4}, {1, 2, 3, 4}, 9);
  expect_refused(table(), "9 splits");
  for (const Row& row : {Row{1, 2, 2, 4}, Row{0, 1, 2, 3}, Row{1, 2, 3, 5}}) {
    write_splits(table(), {1, 2, 3, 4}, row);
    expect_refused(table(), "row 2 is no permutation");
  }
  std::ofstream(table(), std::ios::trunc) << "not a table";
  expect_refused(table(), "");
}

TEST_F(IlidsSplitsTest, NamesOfFoldersMaySayItInstead) {
  write_named({{"test", {"person319"}}, {"train", {"person001", "person007", "person013"}}});
  EXPECT_EQ(facts().test_identities[3], (Row{319}));
  EXPECT_EQ(facts().split_identities, (Row{1, 7, 13, 319}));
}

class PridSplitsTest : public testing::Test {
 protected:
  PridSplitsTest() {
    write(1, 27, 28);
    write(2, 27, 26);
    write(3, 30, 27);
    write(4, 27, 27);
    write(201, 30, 30);  // strangers
  }
  void write(int number, int frames_a, int frames_b) const {
    char name[32];
    std::snprintf(name, sizeof(name), "person_%04d", number);
    write_person(root() / "multi_shot/cam_a" / name, number, frames_a);
    write_person(root() / "multi_shot/cam_b" / name, number, frames_b);
  }
  fs::path root() const { return directory_.path(); }
  fs::path table() const { return root() / "train_test_splits_prid.mat"; }
  fs::path named() const { return root() / "splits_prid2011.json"; }
  DatasetFacts facts() const { return opened(open_prid2011, root())->facts(); }
  void write_named(const json& split, size_t count = 10) const {
    std::ofstream(named(), std::ios::trunc) << json(std::vector<json>(count, split));
  }
  void expect_refused(const fs::path& file, const std::string& words) const {
    const std::string text = failure_text<InputError>([&] { facts(); });
    EXPECT_TRUE(contains(text, file.string()) && contains(text, words)) << text;
  }
  TestDirectory directory_;
};

TEST_F(PridSplitsTest, TheTableCountsThroughPersonsWith27FramesInBothCameras) {
  write_splits(table(), {3, 1, 2}, {2, 1, 3});
  EXPECT_EQ(facts().test_identities[0], (Row{4}));
  EXPECT_EQ(facts().test_identities[1], (Row{3}));
  EXPECT_EQ(facts().split_identities, (Row{1, 3, 4}));
  write_splits(table(), {3, 1, 2, 4}, {2, 1, 3, 4});
  expect_refused(table(), "4 persons, there are 3");
}

TEST_F(PridSplitsTest, TorchreidsListNamesFolders) {
  write_named({{"train", {"person_0001", "person_0002"}}, {"test", {"person_0003"}}});
  EXPECT_EQ(facts().test_identities[0], (Row{3}));
  EXPECT_EQ(facts().split_identities, (Row{1, 2, 3}));
}

TEST_F(PridSplitsTest, TwoFilesMayAgreeButNotDiffer) {
  write_splits(table(), {3, 1, 2}, {3, 1, 2});
  write_named({{"train", {"person_0001", "person_0003"}}, {"test", {"person_0004"}}});
  EXPECT_EQ(facts().test_identities[0], (Row{4}));
  write_named({{"train", {"person_0001", "person_0004"}}, {"test", {"person_0003"}}});
  expect_refused(named(), "other splits");
}

TEST_F(PridSplitsTest, AListThatDoesNotFitIsRefused) {
  write_named({{"train", {"person_0009"}}, {"test", {"person_0003"}}});
  expect_refused(named(), "person_0009");
  write_named({{"train", {"person_0201"}}, {"test", {"person_0003"}}});
  expect_refused(named(), "person_0201");
  write_named({{"train", {"person_0003"}}, {"test", {"person_0003"}}});
  expect_refused(named(), "twice");
  write_named({{"train", {"person_0001"}}, {"test", {"person_0003"}}}, 9);
  expect_refused(named(), "9 splits");
  for (const char* text : {"", "{}", "[", R"([{"train": []}])", "[1,2,3,4,5,6,7,8,9,0]"}) {
    std::ofstream(named(), std::ios::trunc) << text;
    expect_refused(named(), "");
  }
  const json one = {{"train", {"person_0001"}}, {"test", {"person_0003"}}};
  json splits(std::vector<json>(10, one));
  splits[4]["train"] = {"person_0002"};
  std::ofstream(named(), std::ios::trunc) << splits;
  expect_refused(named(), "split 5");
}

TEST_F(PridSplitsTest, TheTableIsLeftOutWithTheFoldersThatItCounts) {
  write_splits(table(), {3, 1, 2}, {2, 1, 3});
  fs::create_directories(root() / "multi_shot/cam_a/person_0005");
  const auto dataset = opened(open_prid2011, root(), OnError::kSkip);
  ASSERT_EQ(dataset->left_out().size(), 2u);
  EXPECT_EQ(dataset->left_out()[1].name, table().filename().string());
  EXPECT_TRUE(dataset->facts().test_identities.empty());
}

}  // namespace
}  // namespace muster::datastore
