// Of two_camera_layouts.cc and the sequence_folders_reader.cc below it.
#include <gtest/gtest.h>

#include "datastore/picture_dataset.h"
#include "tests/datastore/dataset_files.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

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

TEST_F(PridTest, FramesWithUnpaddedNumbersComeInTheOrderOfTheNumbers) {
  write_two_persons();
  const fs::path folder = person("cam_a", "person_0003");
  fs::create_directories(folder);
  for (const int number : {10, 2, 1}) {
    write_picture(folder / (std::to_string(number) + ".png"), waves(12, 8, 3, number));
  }
  const auto dataset = opened(open_prid2011, root());
  ASSERT_EQ(dataset->tracklets().back().frames, 3);
  const int numbers[] = {1, 2, 10};
  for (int frame = 0; frame < 3; ++frame) {
    EXPECT_EQ(dataset->read_frame(4, frame).image.rgb, waves(12, 8, 3, numbers[frame]).rgb);
  }
}

TEST_F(PridTest, MissingFramesInBetweenAreTold) {
  write_two_persons();
  fs::remove(person("cam_a", "person_0001") / "0002.png");
  common::RecordingProgress notes;
  const auto dataset = open_prid2011(root(), {}, notes);
  EXPECT_EQ(dataset->tracklets()[0].frames, 2);
  EXPECT_TRUE(contains(notes.text(), "person_0001")) << notes.text();
}

TEST_F(PridTest, TheSameFrameNumberTwiceIsRefused) {
  write_two_persons();
  write_picture(person("cam_a", "person_0001") / "2.png", waves(12, 8, 1, 1));
  EXPECT_TRUE(contains(refusal(), "frame 2 twice")) << refusal();
}

TEST_F(PridTest, AFolderNamedLikeAPictureIsNamedWhenItIsRead) {
  write_two_persons();
  fs::create_directories(person("cam_a", "person_0001") / "0009.png");
  const auto dataset = opened(open_prid2011, root());
  ASSERT_EQ(dataset->tracklets()[0].frames, 4);
  const std::string text = failure_text<InputError>([&] { dataset->read_frame(0, 3); });
  EXPECT_TRUE(contains(text, "0009.png")) << text;
}

TEST_F(PridTest, APictureIsReadByItsContentNotByItsName) {
  write_two_persons();
  const fs::path folder = person("cam_a", "person_0001");
  fs::rename(folder / "0001.png", folder / "0001.jpg");
  const auto dataset = opened(open_prid2011, root());
  EXPECT_EQ(dataset->read_frame(0, 0).image.rgb, waves(12, 8, 1, 1).rgb);
  EXPECT_TRUE(dataset->read_frame(0, 0).jpeg.empty());
}

TEST_F(PridTest, ATextOrAnEmptyFileNamedLikeAPictureIsNamed) {
  write_two_persons();
  const fs::path picture = person("cam_b", "person_0002") / "0002.png";
  for (const char* content : {"", "not a picture"}) {
    std::ofstream(picture, std::ios::trunc) << content;
    const auto dataset = opened(open_prid2011, root());
    const std::string text = failure_text<InputError>([&] { dataset->read_frame(3, 1); });
    EXPECT_TRUE(contains(text, picture.string())) << text;
  }
}

TEST_F(PridTest, APictureOfOnePixelIsStored) {
  write_two_persons();
  const Image pixel{1, 1, {10, 200, 30}};
  write_picture(person("cam_a", "person_0001") / "0002.png", pixel);
  build_store(*opened(open_prid2011, root()), root() / "store");
  const TrackletStore store(root() / "store");
  const Image stored = store.read_image(store.tracklets()[0], 1);
  ASSERT_EQ(stored.rgb.size(), 24u * 16 * 3);
  for (size_t i = 0; i < stored.rgb.size(); ++i) ASSERT_EQ(stored.rgb[i], pixel.rgb[i % 3]);
}

TEST_F(PridTest, NamesInAnyScriptAndVeryLongPathsAreRead) {
  fs::path deep = root();
  while (deep.string().size() < 3000) deep /= std::string(180, 'd') + "\xE4\xBA\xBA";
  write_person(deep / "multi_shot/cam_a/p\xC3\xA9rson_0001", 1, 2);
  write_person(deep / "multi_shot/cam_b/\xE4\xBA\xBA\xE7\x89\xA9_0001", 2, 1);
  const auto dataset = opened(open_prid2011, deep);
  EXPECT_EQ(identities_and_cameras(*dataset), (std::vector<Key>{{1, 1}, {1, 2}}));
  EXPECT_EQ(dataset->read_frame(1, 0).image.rgb, waves(12, 8, 2, 1).rgb);
}

class SduTest : public testing::Test {
 protected:
  fs::path root() const { return directory_.path(); }
  void write(const std::string& camera, const std::string& name) const {
    write_person(root() / "sequences" / camera / name, 1, 1);
  }
  TestDirectory directory_;
};

TEST_F(SduTest, ATokenOfRAndDigitsTellsThePersonElseTheLastThreeCharacters) {
  write("cam1", "set_R0012_456");
  write("cam1", "person003");
  write("cam1", "Right_1007");
  write("cam2", "20110301_R12");
  EXPECT_EQ(identities_and_cameras(*opened(open_sdu_vid, root())),
            (std::vector<Key>{{3, 1}, {7, 1}, {12, 1}, {12, 2}}));
}

TEST_F(SduTest, ASecondFolderOfAPersonIsAnotherSequence) {
  write("cam1", "person_R0012_a");
  write("cam1", "person_R0012_b");
  const auto dataset = opened(open_sdu_vid, root());
  EXPECT_EQ(dataset->tracklets()[0].sequence, 0);
  EXPECT_EQ(dataset->tracklets()[1].sequence, 1);
}

TEST_F(SduTest, FoldersThatTellNobodyAreNamedOrLeftOut) {
  write("cam1", "person001");
  write("cam2", "nobody");
  write("elsewhere", "person001");
  EXPECT_THROW(opened(open_sdu_vid, root()), InputError);
  const auto dataset = opened(open_sdu_vid, root(), OnError::kSkip);
  EXPECT_EQ(identities_and_cameras(*dataset), (std::vector<Key>{{1, 1}}));
  ASSERT_EQ(dataset->left_out().size(), 2u);
  EXPECT_EQ(dataset->left_out()[0].name, "sequences/cam2/nobody");
  EXPECT_EQ(dataset->left_out()[1].name, "sequences/elsewhere");
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
  EXPECT_EQ(names.count("sdu-vid"), 1u);
  EXPECT_EQ(names.count("mars"), 1u);
}

}  // namespace
}  // namespace muster::datastore
