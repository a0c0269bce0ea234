// Of mars_reader.cc and mars_names.cc below it.
#include <gtest/gtest.h>

#include "datastore/mars_names.h"
#include "datastore/synthetic/matlab_file.h"
#include "tests/datastore/dataset_files.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

using Names = std::vector<std::string>;
using Table = std::vector<int32_t>;

class MarsTest : public testing::Test {
 protected:
  MarsTest() {
    write_pictures("train", train_);
    write_pictures("test", test_);
    write_list("train", train_);
    write_list("test", test_);
    write_rows("train", {1, 2, 1, 1, /**/ 3, 3, 1, 2, /**/ 4, 4, 12, 2});
    write_rows("test", good_test_rows_);
    write_queries({3, 4});
  }
  fs::path root() const { return directory_.path(); }
  fs::path picture(const std::string& part, const std::string& name) const {
    return root() / ("bbox_" + part) / name.substr(0, 4) / name;
  }
  void write_pictures(const std::string& part, const Names& names) const {
    for (size_t i = 0; i < names.size(); ++i) {
      fs::create_directories(picture(part, names[i]).parent_path());
      write_picture(picture(part, names[i]), waves(12, 8, part == "test", static_cast<int>(i)));
    }
  }
  void write_list(const std::string& part, const Names& names,
                  const std::string& end = "\n") const {
    fs::create_directories(root() / "info");
    std::ofstream out(root() / "info" / (part + "_name.txt"), std::ios::binary);
    for (const std::string& name : names) out << name << end;
  }
  void write_rows(const std::string& part, const Table& rows, size_t columns = 4) const {
    write_matlab_matrix(root() / "info" / ("tracks_" + part + "_info.mat"),
                        "track_" + part + "_info", rows.size() / columns, columns, rows);
  }
  void write_queries(const Table& rows) const {
    write_matlab_matrix(root() / "info/query_IDX.mat", "query_IDX", 1, rows.size(), rows);
  }
  void remove_lists() const {
    fs::remove(root() / "info/train_name.txt");
    fs::remove(root() / "info/test_name.txt");
  }
  std::string refusal(OnError on_error = OnError::kFail) const {
    return failure_text<InputError>([&] { opened(open_mars, root(), on_error); });
  }
  // Both ways of going on refuse it, with the file's name and these words.
  void expect_misfit(const std::string& file, const std::string& words) const {
    for (const OnError on_error : {OnError::kFail, OnError::kSkip}) {
      const std::string text = refusal(on_error);
      EXPECT_TRUE(contains(text, file) && contains(text, words)) << text;
    }
  }
  TestDirectory directory_;
  const Names train_ = {"0001C1T0001F001.jpg", "0001C1T0001F002.jpg", "0001C2T0003F001.jpg",
                        "0012C2T0001F001.jpg"};
  const Names test_ = {"00-1C1T0001F001.jpg", "0000C2T0001F001.jpg", "0002C1T0001F001.jpg",
                       "0002C1T0001F002.jpg", "0002C3T0002F001.jpg"};
  const Table good_test_rows_ = {1, 1, -1, 1, /**/ 2, 2, 0, 2, /**/ 3, 4, 2, 1, /**/ 5, 5, 2, 3};
};

TEST_F(MarsTest, TrackletsAreTheRowsOfTheTables) {
  const auto dataset = opened(open_mars, root());
  EXPECT_EQ(identities_and_cameras(*dataset),
            (std::vector<Key>{{1, 1}, {1, 2}, {12, 2}, {-1, 1}, {0, 2}, {2, 1}, {2, 3}}));
  std::vector<int64_t> frames;
  std::vector<int32_t> sequences;
  for (const auto& tracklet : dataset->tracklets()) {
    frames.push_back(tracklet.frames);
    sequences.push_back(tracklet.sequence);
  }
  EXPECT_EQ(frames, (std::vector<int64_t>{2, 1, 1, 1, 1, 2, 1}));
  EXPECT_EQ(sequences, (std::vector<int32_t>{1, 3, 1, 1, 1, 1, 2}));
  EXPECT_EQ(dataset->tracklets()[1].name, "bbox_train/0001/0001C2T0003");
}

TEST_F(MarsTest, FramesAreThoseThatTheListNames) {
  const auto dataset = opened(open_mars, root());
  EXPECT_EQ(dataset->read_frame(5, 1).jpeg.size(), fs::file_size(picture("test", test_[3])));
  EXPECT_EQ(dataset->read_frame(5, 1).image.rgb,
            read_picture(picture("test", "0002C1T0001F002.jpg")).rgb);
}

TEST_F(MarsTest, RolesSayWhoTrainsAsksAndDisturbs) {
  const auto dataset = opened(open_mars, root());
  std::vector<int32_t> roles;
  for (const auto& tracklet : dataset->tracklets()) roles.push_back(tracklet.role);
  EXPECT_EQ(roles, (std::vector<int32_t>{kRoleTrain, kRoleTrain, kRoleTrain,
                                         kRoleJunk | kRoleGallery, kRoleDistractor | kRoleGallery,
                                         kRoleQuery | kRoleGallery, kRoleQuery | kRoleGallery}));
}

TEST_F(MarsTest, MissingListsAreMadeFromTheFoldersAndNothingIsWritten) {
  const auto with = opened(open_mars, root());
  remove_lists();
  const Names before = common::names_in(root() / "info");
  common::RecordingProgress notes;
  const auto without = open_mars(root(), {}, notes);
  ASSERT_EQ(without->source_count(), with->source_count());
  for (size_t i = 0; i < with->source_count(); ++i) EXPECT_EQ(without->source(i), with->source(i));
  EXPECT_EQ(common::names_in(root() / "info"), before);
  EXPECT_TRUE(contains(notes.text(), "test_name.txt")) << notes.text();
}

TEST_F(MarsTest, ListsWithOtherLineEndsAreRead) {
  write_list("train", train_, "\r\n");
  EXPECT_EQ(opened(open_mars, root())->source(3), picture("train", train_[3]));
}

TEST_F(MarsTest, SaysWhenItIsNotTheWholeSet) {
  common::RecordingProgress notes;
  open_mars(root(), {}, notes);
  EXPECT_TRUE(contains(notes.text(), "8298") && contains(notes.text(), "1980")) << notes.text();
  std::ofstream(root() / "muster-synthetic.json")
      << R"({"synthetic": true, "world": "mars", "seed": 1})";
  common::RecordingProgress synthetic;
  open_mars(root(), {}, synthetic);
  EXPECT_EQ(synthetic.text(), "");
}

TEST_F(MarsTest, RowsMustFollowEachOther) {
  write_rows("test", {1, 1, -1, 1, /**/ 3, 3, 0, 2});
  expect_misfit("tracks_test_info.mat", "row 2");
  write_rows("test", {1, 1, -1, 1, /**/ 1, 2, 0, 2});
  expect_misfit("tracks_test_info.mat", "row 2");
  write_rows("test", {2, 1, -1, 1});
  expect_misfit("tracks_test_info.mat", "row 1");
}

TEST_F(MarsTest, RowsMustStayWithinTheNamesAndCoverThem) {
  Table rows = good_test_rows_;
  rows[13] = 6;
  write_rows("test", rows);
  expect_misfit("tracks_test_info.mat", "row 4");
  rows.resize(12);
  write_rows("test", rows);
  expect_misfit("tracks_test_info.mat", "name 4 of 5");
}

TEST_F(MarsTest, IdentityAndCameraMustAgreeWithEveryName) {
  Table rows = good_test_rows_;
  rows[10] = 3;
  write_rows("test", rows);
  expect_misfit("tracks_test_info.mat", "row 3");
  rows = good_test_rows_;
  rows[15] = 2;
  write_rows("test", rows);
  expect_misfit("tracks_test_info.mat", "row 4");
  // Only the last frame of row 3 belongs to another camera.
  rows = good_test_rows_;
  rows[9] = 5;
  rows.resize(12);
  write_rows("test", rows);
  expect_misfit("tracks_test_info.mat", "0002C3T0002F001.jpg");
}

TEST_F(MarsTest, ATableOfAnotherShapeIsNamed) {
  write_rows("train", {1, 4, 1}, 3);
  expect_misfit("tracks_train_info.mat", "columns");
}

TEST_F(MarsTest, NobodyCannotTrain) {
  write_pictures("train", {"0000C1T0001F001.jpg"});
  write_list("train", {"0000C1T0001F001.jpg"});
  write_rows("train", {1, 1, 0, 1});
  expect_misfit("tracks_train_info.mat", "row 1");
}

TEST_F(MarsTest, QueriesMustBeDistinctKnownTracklets) {
  for (const Table& queries : {Table{3, 5}, Table{3, 0}, Table{3, 3}, Table{3, 1}, Table{3, 2}}) {
    write_queries(queries);
    expect_misfit("query_IDX.mat", "row 2");
  }
}

TEST_F(MarsTest, QueriesMayStandInAColumn) {
  write_matlab_matrix(root() / "info/query_IDX.mat", "query_IDX", 2, 1, {4, 3});
  EXPECT_EQ(opened(open_mars, root())->tracklets()[6].role, kRoleQuery | kRoleGallery);
  write_matlab_matrix(root() / "info/query_IDX.mat", "query_IDX", 2, 2, {1, 2, 3, 4});
  expect_misfit("query_IDX.mat", "2 x 2");
}

TEST_F(MarsTest, AMissingTableIsNamed) {
  for (const char* name : {"query_IDX.mat", "tracks_test_info.mat", "tracks_train_info.mat"}) {
    fs::remove(root() / "info" / name);
    expect_misfit(name, "no such file");
  }
}

TEST_F(MarsTest, ALineThatIsNoNameIsRefusedWithItsNumber) {
  for (const char* line : {"", "0001.jpg", "../C1T0001F001.jpg", "0001C0T0001F001.jpg",
                           "0001C1T0001F.jpg", "0001C1T0001F001.txt", "-001C1T0001F001.jpg"}) {
    write_list("train", {train_[0], line, train_[2], train_[3]});
    expect_misfit("train_name.txt", "line 2");
  }
}

TEST_F(MarsTest, AListThatIsTooShortIsAMisfitOfItsTable) {
  write_list("train", {train_[0], train_[1], train_[2]});
  expect_misfit("tracks_train_info.mat", "row 3");
}

TEST_F(MarsTest, AForeignPictureIsAFaultOfTheWalk) {
  remove_lists();
  for (const char* name : {"copy.jpg", "0012C2T0001F002.jpg"}) {
    const fs::path foreign = root() / "bbox_train/0001" / name;
    write_picture(foreign, waves(12, 8, 0, 0));
    EXPECT_TRUE(contains(refusal(), foreign.string())) << refusal();
    const auto dataset = opened(open_mars, root(), OnError::kSkip);
    ASSERT_EQ(dataset->left_out().size(), 1u);
    EXPECT_EQ(dataset->left_out()[0].name, std::string("bbox_train/0001/") + name);
    EXPECT_EQ(dataset->tracklets().size(), 7u);
    fs::remove(foreign);
  }
}

TEST_F(MarsTest, OtherFilesInTheFoldersDoNotMatter) {
  remove_lists();
  std::ofstream(root() / "bbox_train/0001/Thumbs.db") << "x";
  std::ofstream(root() / "bbox_train/.DS_Store") << "x";
  EXPECT_EQ(opened(open_mars, root())->tracklets().size(), 7u);
}

TEST_F(MarsTest, AFolderThatNoTableCoversIsAFault) {
  const fs::path foreign = root() / "bbox_test/0099";
  fs::create_directories(foreign);
  EXPECT_TRUE(contains(refusal(), foreign.string())) << refusal();
  const auto dataset = opened(open_mars, root(), OnError::kSkip);
  ASSERT_EQ(dataset->left_out().size(), 1u);
  EXPECT_EQ(dataset->left_out()[0].name, "bbox_test/0099");
}

TEST_F(MarsTest, ATrackletWithAMissingPictureIsLeftOutWhenAsked) {
  fs::remove(picture("test", test_[3]));
  const std::string text = failure_text<common::Error>(
      [&] { build_store(*opened(open_mars, root()), root() / "store"); });
  EXPECT_TRUE(contains(text, test_[3])) << text;
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  const Manifest manifest =
      build_store(*opened(open_mars, root(), OnError::kSkip), root() / "store", options).manifest;
  ASSERT_EQ(manifest.left_out.size(), 1u);
  EXPECT_EQ(manifest.left_out[0].name, "bbox_test/0002/0002C1T0001");
  EXPECT_EQ(manifest.tracklets, 6);
}

TEST_F(MarsTest, RowsThatDoNotFollowTheTrackletNumbersAreTold) {
  write_list("train", {train_[0], "0001C1T0002F001.jpg", train_[2], train_[3]});
  common::RecordingProgress notes;
  open_mars(root(), {}, notes);
  EXPECT_TRUE(contains(notes.text(), "tracks_train_info.mat: 1 rows")) << notes.text();
}

TEST_F(MarsTest, AMissingHalfIsNamed) {
  fs::remove_all(root() / "bbox_test");
  EXPECT_TRUE(contains(refusal(), (root() / "bbox_test").string())) << refusal();
}

}  // namespace
}  // namespace muster::datastore
