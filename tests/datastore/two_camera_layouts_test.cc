// Of two_camera_layouts.cc and the sequence_folders_reader.cc below it.
#include <gtest/gtest.h>

#include "datastore/dataset_catalog.h"
#include "datastore/picture_dataset.h"
#include "datastore/picture_files.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

// A folder of `frames` pictures named 0001.png, ...; their waves say subject and frame.
void write_person(const fs::path& folder, int subject, int frames) {
  fs::create_directories(folder);
  for (int frame = 1; frame <= frames; ++frame) {
    char name[16];
    std::snprintf(name, sizeof(name), "%04d.png", frame);
    write_picture(folder / name, waves(12, 8, subject, frame));
  }
}

// One row of 14 joints at (frame + joint, 2 joint), confidence 0.5.
std::string joints_row(int frame) {
  std::string row = std::to_string(frame) + ".png";
  for (int joint = 0; joint < kJointCount; ++joint) {
    row += "," + std::to_string(frame + joint) + "," + std::to_string(2 * joint) + ",0.5";
  }
  return row + "\n";
}

void write_joints(const fs::path& file, int rows) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file);
  out << "frame,x,y,confidence\n";
  for (int row = 0; row < rows; ++row) out << joints_row(row);
}

using Key = std::pair<int32_t, int16_t>;
std::vector<Key> identities_and_cameras(const DatasetReader& dataset) {
  std::vector<Key> keys;
  for (const auto& tracklet : dataset.tracklets())
    keys.push_back({tracklet.identity, tracklet.camera});
  return keys;
}

using Opener = std::unique_ptr<DatasetReader>(const fs::path&, const DatasetOptions&,
                                              common::ProgressSink&);

std::unique_ptr<DatasetReader> opened(Opener* open, const fs::path& root,
                                      OnError on_error = OnError::kFail) {
  DatasetOptions options;
  options.on_error = on_error;
  common::SilentProgress progress;
  return open(root, options, progress);
}

class PridTest : public testing::Test {
 protected:
  fs::path root() const { return directory_.path(); }
  fs::path person(const std::string& camera, const std::string& name) const {
    return root() / "multi_shot" / camera / name;
  }
  void write_two_persons() const {
    write_person(person("cam_a", "person_0001"), 1, 3);
    write_person(person("cam_a", "person_0002"), 2, 2);
    write_person(person("cam_b", "person_0001"), 3, 1);
    write_person(person("cam_b", "person_0002"), 4, 2);
  }
  std::string refusal() const {
    return failure_text<InputError>([&] { opened(open_prid2011, root()); });
  }
  TestDirectory directory_;
};

TEST_F(PridTest, TheSameNumberInBothCamerasIsTheSamePerson) {
  write_two_persons();
  EXPECT_EQ(identities_and_cameras(*opened(open_prid2011, root())),
            (std::vector<Key>{{1, 1}, {1, 2}, {2, 1}, {2, 2}}));
}

TEST_F(PridTest, CameraBsPersonsAbove200AreOthersThanCameraAs) {
  write_person(person("cam_a", "person_0200"), 1, 1);
  write_person(person("cam_b", "person_0200"), 2, 1);
  write_person(person("cam_a", "person_0201"), 3, 1);
  write_person(person("cam_b", "person_0201"), 4, 1);
  write_person(person("cam_a", "person_0385"), 5, 1);
  write_person(person("cam_b", "person_0749"), 6, 1);
  std::map<int32_t, std::set<int16_t>> cameras;
  for (const Key& key : identities_and_cameras(*opened(open_prid2011, root()))) {
    cameras[key.first].insert(key.second);
  }
  EXPECT_EQ(cameras.size(), 5u);
  EXPECT_EQ(cameras.at(200), (std::set<int16_t>{1, 2}));
  EXPECT_EQ(cameras.at(201), std::set<int16_t>{1});
  EXPECT_EQ(cameras.at(385), std::set<int16_t>{1});
}

TEST_F(PridTest, FramesComeInTheOrderOfTheirNames) {
  write_two_persons();
  const auto dataset = opened(open_prid2011, root());
  ASSERT_EQ(dataset->tracklets()[0].frames, 3);
  for (int frame = 0; frame < 3; ++frame) {
    EXPECT_EQ(dataset->read_frame(0, frame).image.rgb, waves(12, 8, 1, frame + 1).rgb);
  }
}

TEST_F(PridTest, SaysItsLayout) {
  write_two_persons();
  EXPECT_EQ(opened(open_prid2011, root())->facts().layout, "prid2011");
  EXPECT_FALSE(opened(open_prid2011, root())->facts().synthetic);
}

TEST_F(PridTest, OtherFilesBesideThePicturesAreNoFrames) {
  write_two_persons();
  std::ofstream(person("cam_a", "person_0001") / "Thumbs.db") << "x";
  EXPECT_EQ(opened(open_prid2011, root())->tracklets()[0].frames, 3);
}

TEST_F(PridTest, SourcesAreEveryPictureOnce) {
  write_two_persons();
  const auto dataset = opened(open_prid2011, root());
  std::set<fs::path> sources;
  for (size_t i = 0; i < dataset->source_count(); ++i) sources.insert(dataset->source(i));
  EXPECT_EQ(dataset->source_count(), 8u);
  EXPECT_EQ(sources.size(), 8u);
  for (const fs::path& source : sources) EXPECT_TRUE(fs::is_regular_file(source)) << source;
}

TEST_F(PridTest, AMissingCameraFolderIsNamed) {
  write_person(person("cam_a", "person_0001"), 1, 1);
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, (root() / "multi_shot" / "cam_b").string())) << text;
}

TEST_F(PridTest, AMissingRootIsNamed) {
  const std::string text =
      failure_text<InputError>([&] { opened(open_prid2011, root() / "absent"); });
  EXPECT_TRUE(contains(text, (root() / "absent").string())) << text;
}

TEST_F(PridTest, CamerasWithoutPersonsAreRefused) {
  fs::create_directories(root() / "multi_shot" / "cam_a");
  fs::create_directories(root() / "multi_shot" / "cam_b");
  EXPECT_TRUE(contains(refusal(), root().string()));
}

TEST_F(PridTest, AnEmptyPersonFolderIsNamed) {
  write_two_persons();
  fs::create_directories(person("cam_b", "person_0003"));
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, person("cam_b", "person_0003").string())) << text;
}

TEST_F(PridTest, APersonFolderWithoutANumberIsNamed) {
  write_two_persons();
  write_person(person("cam_a", "backup"), 9, 1);
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, person("cam_a", "backup").string())) << text;
}

TEST_F(PridTest, ATruncatedPngIsNamed) {
  write_two_persons();
  const fs::path picture = person("cam_a", "person_0001") / "0002.png";
  fs::resize_file(picture, fs::file_size(picture) - 5);
  const auto dataset = opened(open_prid2011, root());
  const std::string text = failure_text<InputError>([&] { dataset->read_frame(0, 1); });
  EXPECT_TRUE(contains(text, picture.string())) << text;
}

TEST_F(PridTest, ATruncatedJpegIsNamed) {
  write_two_persons();
  const fs::path picture = person("cam_a", "person_0001") / "0004.jpg";
  write_picture(picture, waves(12, 8, 1, 4));
  fs::resize_file(picture, fs::file_size(picture) / 2);
  const auto dataset = opened(open_prid2011, root());
  const std::string text = failure_text<InputError>([&] { dataset->read_frame(0, 3); });
  EXPECT_TRUE(contains(text, picture.string())) << text;
}

TEST_F(PridTest, WithoutJointFilesThereAreNoJoints) {
  write_two_persons();
  EXPECT_TRUE(opened(open_prid2011, root())->read_joints(0).empty());
}

TEST_F(PridTest, JointsOfATrackletComeFromItsFile) {
  write_two_persons();
  write_joints(root() / "joints/multi_shot/cam_a/person_0001.csv", 3);
  const std::vector<Joint> joints = opened(open_prid2011, root())->read_joints(0);
  ASSERT_EQ(joints.size(), size_t{3 * kJointCount});
  EXPECT_EQ(joints[2 * kJointCount + 5].x, 7);
  EXPECT_EQ(joints[2 * kJointCount + 5].y, 10);
  EXPECT_EQ(joints[2 * kJointCount + 5].confidence, 0.5f);
}

TEST_F(PridTest, JointFilesAreSourcesToo) {
  write_two_persons();
  write_joints(root() / "joints/multi_shot/cam_a/person_0001.csv", 3);
  EXPECT_EQ(opened(open_prid2011, root())->source_count(), 9u);
}

TEST_F(PridTest, AJointFileWithARowTooFewIsNamed) {
  write_two_persons();
  const fs::path file = root() / "joints/multi_shot/cam_a/person_0001.csv";
  write_joints(file, 2);
  const auto dataset = opened(open_prid2011, root());
  const std::string text = failure_text<InputError>([&] { dataset->read_joints(0); });
  EXPECT_TRUE(contains(text, file.string())) << text;
}

TEST_F(PridTest, AWordAmongTheJointsIsNamed) {
  write_two_persons();
  const fs::path file = root() / "joints/multi_shot/cam_a/person_0001.csv";
  write_joints(file, 2);
  std::string row = joints_row(2);
  row.replace(row.find(",0.5"), 4, ",high");
  std::ofstream(file, std::ios::app) << row;
  const auto dataset = opened(open_prid2011, root());
  const std::string text = failure_text<InputError>([&] { dataset->read_joints(0); });
  EXPECT_TRUE(contains(text, file.string())) << text;
  EXPECT_TRUE(contains(text, "high")) << text;
}

TEST_F(PridTest, ANumberWithALetterBehindItIsRefused) {
  write_two_persons();
  const fs::path file = root() / "joints/multi_shot/cam_a/person_0001.csv";
  write_joints(file, 2);
  std::string row = joints_row(2);
  row.replace(row.find(",0.5"), 4, ",0.5px");
  std::ofstream(file, std::ios::app) << row;
  const auto dataset = opened(open_prid2011, root());
  EXPECT_THROW(dataset->read_joints(0), InputError);
}

TEST_F(PridTest, ASyntheticWorldSaysSo) {
  write_two_persons();
  std::ofstream(root() / "muster-synthetic.json")
      << R"({"synthetic": true, "world": "prid2011", "seed": 42})";
  const DatasetFacts facts = opened(open_prid2011, root())->facts();
  EXPECT_TRUE(facts.synthetic);
  EXPECT_TRUE(contains(facts.origin, "42")) << facts.origin;
}

TEST_F(PridTest, ADamagedSyntheticMarkIsNamed) {
  write_two_persons();
  std::ofstream(root() / "muster-synthetic.json") << R"({"synthetic": tr)";
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, "muster-synthetic.json")) << text;
}

TEST(IlidsTest, NumbersMayHaveGaps) {
  const TestDirectory directory;
  for (const char* camera : {"cam1", "cam2"}) {
    for (const char* name : {"person001", "person013", "person319"}) {
      write_person(directory.path() / "sequences" / camera / name, 1, 1);
    }
  }
  EXPECT_EQ(identities_and_cameras(*opened(open_ilids_vid, directory.path())),
            (std::vector<Key>{{1, 1}, {1, 2}, {13, 1}, {13, 2}, {319, 1}, {319, 2}}));
}

TEST(IlidsTest, NumbersAbove200AreTheSamePersonInBothCameras) {
  const TestDirectory directory;
  write_person(directory.path() / "sequences/cam1/person250", 1, 1);
  write_person(directory.path() / "sequences/cam2/person250", 2, 1);
  EXPECT_EQ(identities_and_cameras(*opened(open_ilids_vid, directory.path())),
            (std::vector<Key>{{250, 1}, {250, 2}}));
}

TEST(IlidsTest, SaysItsLayout) {
  const TestDirectory directory;
  write_person(directory.path() / "sequences/cam1/person001", 1, 1);
  write_person(directory.path() / "sequences/cam2/person001", 2, 1);
  EXPECT_EQ(opened(open_ilids_vid, directory.path())->facts().layout, "ilids-vid");
}

TEST(IlidsTest, AMissingCameraFolderIsNamed) {
  const TestDirectory directory;
  write_person(directory.path() / "sequences/cam2/person001", 1, 1);
  const std::string text =
      failure_text<InputError>([&] { opened(open_ilids_vid, directory.path()); });
  EXPECT_TRUE(contains(text, (directory.path() / "sequences/cam1").string())) << text;
}

TEST(TrailingNumberTest, ReadsTheDigitsAtTheEnd) {
  EXPECT_EQ(trailing_number("person_0012"), 12);
  EXPECT_EQ(trailing_number("cam2person319"), 319);
  EXPECT_EQ(trailing_number("007"), 7);
}

TEST(TrailingNumberTest, IsMinusOneWithoutDigitsAtTheEnd) {
  EXPECT_EQ(trailing_number("person"), -1);
  EXPECT_EQ(trailing_number("12person"), -1);
  EXPECT_EQ(trailing_number(""), -1);
}

TEST(TrailingNumberTest, IsMinusOneForWhatNoIntegerHolds) {
  EXPECT_EQ(trailing_number("person9999999999999999999"), -1);
}

TEST(LayoutCatalogTest, OffersTheTwoCameraLayoutsByName) {
  std::set<std::string> names;
  for (const LayoutEntry& entry : layout_catalog()) names.insert(entry.name);
  EXPECT_EQ(names.count("prid2011"), 1u);
  EXPECT_EQ(names.count("ilids-vid"), 1u);
}

}  // namespace
}  // namespace muster::datastore
