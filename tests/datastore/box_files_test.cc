#include "datastore/box_files.h"

#include "common/error.h"
#include "tests/datastore/small_films.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;

class BoxFilesTest : public testing::Test {
 protected:
  fs::path file_of(const std::string& text) const {
    const fs::path path = directory_ / "film.boxes.csv";
    write_text(path, text);
    return path;
  }
  std::vector<FilmedTrack> tracks_of(const std::string& text) const {
    FaultList faults(OnError::kFail, directory_.path());
    return read_box_file(file_of(text), faults);
  }
  // What a file with these rows is refused for.
  std::string refusal(const std::string& rows) const {
    return failure_text<InputError>([&] { tracks_of(kBoxHeading + rows); });
  }
  std::vector<FilmedTrack> truth_of(const std::string& text) const {
    FaultList faults(OnError::kFail, directory_.path());
    return read_mot_truth(file_of(text), faults);
  }
  common::TestDirectory directory_;
};

TEST_F(BoxFilesTest, RowsBecomeTracksWithFramesFromZero) {
  const auto tracks =
      tracks_of(std::string(kBoxHeading) + "1,5,10,20,16,32\n1,2,0.5,-3,4,5\n3,5,11,21,16.5,32\n");
  ASSERT_EQ(tracks.size(), 2u);
  EXPECT_EQ(tracks[0].number, 2);
  EXPECT_EQ(tracks[1].number, 5);
  ASSERT_EQ(tracks[1].boxes.size(), 2u);
  EXPECT_EQ(tracks[1].boxes[0].frame, 0);
  EXPECT_EQ(tracks[1].boxes[1].frame, 2);
  EXPECT_EQ(tracks[1].boxes[1].line, 4);
  EXPECT_EQ(tracks[1].boxes[1].box.x, 11);
  EXPECT_EQ(tracks[1].boxes[1].box.y, 21);
  EXPECT_EQ(tracks[1].boxes[1].box.width, 16.5f);
  EXPECT_EQ(tracks[1].boxes[1].box.height, 32);
  EXPECT_EQ(tracks[0].boxes[0].box.y, -3);
}

TEST_F(BoxFilesTest, AByteOrderMarkCrLfBlanksAndEmptyLinesDoNotMatter) {
  const auto tracks = tracks_of(
      "\xEF\xBB\xBF"
      "frame,track,left,top,width,height\r\n"
      "1, 1, 10,20,16,32\r\n\r\n2,1,10,20,16,32\r\n");
  ASSERT_EQ(tracks.size(), 1u);
  ASSERT_EQ(tracks[0].boxes.size(), 2u);
  EXPECT_EQ(tracks[0].boxes[1].box.height, 32);
  EXPECT_EQ(tracks[0].boxes[1].line, 4);
}

TEST_F(BoxFilesTest, EachBadRowIsRefusedWithFileAndLine) {
  const std::string good = "1,1,10,20,16,32\n";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"2,1,10,20,0,32", "smaller than a pixel"},
      {"2,1,10,20,16,-4", "smaller than a pixel"},
      {"2,1,nan,20,16,32", "left is 'nan'"},
      {"2,1,10,inf,16,32", "top is 'inf'"},
      {"2,1,10,20,1e300,32", "width is out of range"},
      {"2,1,10,20,16,", "height is ''"},
      {"2,1,10,20,16", "5 columns"},
      {"2,1,10,20,16,32,1", "7 columns"},
      {"two,1,10,20,16,32", "frame is 'two'"},
      {"0,1,10,20,16,32", "frame is below 1"},
      {"1.5,1,10,20,16,32", "frame is '1.5'"},
      {"2,0,10,20,16,32", "track is below 1"},
      {"2,,10,20,16,32", "track is ''"},
      {"1,1,10,20,16,32", "frame 1 again, as in line 2"},
      {"2,9999999999,10,20,16,32", "track is '9999999999'"}};
  for (const auto& [row, problem] : bad) {
    const std::string text = refusal(good + row + "\n");
    EXPECT_TRUE(contains(text, "film.boxes.csv line 3: ")) << row << ": " << text;
    EXPECT_TRUE(contains(text, problem)) << row << ": " << text;
  }
}

TEST_F(BoxFilesTest, RowsOfATrackThatGoBackInTimeAreRefused) {
  const std::string text = refusal("5,1,10,20,16,32\n1,2,10,20,16,32\n4,1,10,20,16,32\n");
  EXPECT_TRUE(contains(text, "film.boxes.csv line 4: frame 4 comes after frame 5 of line 2"))
      << text;
}

TEST_F(BoxFilesTest, AnotherHeadingIsRefusedWithBoth) {
  const std::string text = failure_text<InputError>([&] { tracks_of("1,1,10,20,16,32\n"); });
  EXPECT_TRUE(contains(text, "line 1: the heading is '1,1,10,20,16,32'")) << text;
  EXPECT_TRUE(contains(text, "frame,track,left,top,width,height")) << text;
  EXPECT_TRUE(contains(failure_text<InputError>([&] { tracks_of(""); }), "is empty"));
}

TEST_F(BoxFilesTest, SkippingLeavesOutTheTrackOfABadRowAndNamesTheFirst) {
  FaultList faults(OnError::kSkip, directory_.path());
  const auto tracks = read_box_file(
      file_of(std::string(kBoxHeading) + "1,1,10,20,16,32\n1,2,10,20,16,32\n2,1,10,20,0,32\n3,1,10,"
                                         "20,0,32\n2,2,10,20,16,32\n4,1,9,9,9,9\n"
                                         "4,x,9,9,9,9\n"),
      faults);
  ASSERT_EQ(tracks.size(), 1u);
  EXPECT_EQ(tracks[0].number, 2);
  EXPECT_EQ(tracks[0].boxes.size(), 2u);
  ASSERT_EQ(faults.left_out().size(), 2u);
  EXPECT_EQ(faults.left_out()[0].name, "film.boxes.csv line 4");
  EXPECT_TRUE(contains(faults.left_out()[0].reason, "(track 1)"));
  EXPECT_TRUE(contains(faults.left_out()[1].name, "line 8"));
}

TEST_F(BoxFilesTest, MotTruthCountsPixelsFromOneAndKeepsPedestrians) {
  const auto tracks = truth_of(
      "1,7,11,21,16,32,1,1,0.8\n"       // kept
      "1,8,11,21,16,32,0,1,0.8\n"       // not to be considered
      "1,9,11,21,16,32,1,7,0.8\n"       // a static person
      "1,10,11,21,16,32,1,-1,-1\n"      // class not given
      "1,11,11,21,16,32,1,3.5,2.5,0\n"  // of 2015: world coordinates
      "1,12,11,21,16,32\n");
  ASSERT_EQ(tracks.size(), 4u);
  EXPECT_EQ(tracks[0].number, 7);
  EXPECT_EQ(tracks[1].number, 10);
  EXPECT_EQ(tracks[2].number, 11);
  EXPECT_EQ(tracks[3].number, 12);
  EXPECT_EQ(tracks[0].boxes[0].box.x, 10);
  EXPECT_EQ(tracks[0].boxes[0].box.y, 20);
  EXPECT_EQ(tracks[0].boxes[0].box.width, 16);
}

TEST_F(BoxFilesTest, MotDetectionsComeByFrameWhateverTheirOrder) {
  FaultList faults(OnError::kFail, directory_.path());
  const auto boxes = read_mot_detections(
      file_of(
          "3,-1,11,21,16,32,0.9,-1,-1,-1\n1,-1,1,1,16,32,-0.2,-1,-1,-1\n3,-1,51,21,16,32,0.9\n"),
      faults);
  ASSERT_EQ(boxes.size(), 2u);
  ASSERT_EQ(boxes.at(2).size(), 2u);
  EXPECT_EQ(boxes.at(2)[1].box.x, 50);
  EXPECT_EQ(boxes.at(0)[0].box.x, 0);
  EXPECT_EQ(boxes.at(0)[0].line, 2);
}

TEST_F(BoxFilesTest, IdentitiesSayVideoTrackIdentityAndCamera) {
  FaultList faults(OnError::kFail, directory_.path());
  const auto listed =
      read_identities_file(file_of("video,track,identity,camera\r\nhall.avi,3,17,2\r\n"), faults);
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].video, "hall.avi");
  EXPECT_EQ(listed[0].track, 3);
  EXPECT_EQ(listed[0].identity, 17);
  EXPECT_EQ(listed[0].camera, 2);
}

TEST_F(BoxFilesTest, BadRowsOfIdentitiesAreRefusedWithFileAndLine) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"a.avi,1,2", "3 columns"},
      {"a.avi,1,2,3,4", "5 columns"},
      {"a.avi,1,zwei,1", "identity is"},
      {"a.avi,1,0,1", "identity 0"},
      {"a.avi,1,-1,1", "identity -1"},
      {"a.avi,1,1,40000", "camera 40000"},
      {"hall.avi,3,1,1", "again, as line 2"}};
  for (const auto& [row, problem] : bad) {
    FaultList faults(OnError::kFail, directory_.path());
    const std::string text = failure_text<InputError>([&, row = row] {
      read_identities_file(file_of("video,track,identity,camera\nhall.avi,3,17,2\n" + row + "\n"),
                           faults);
    });
    EXPECT_TRUE(contains(text, "line 3: ")) << row << ": " << text;
    EXPECT_TRUE(contains(text, problem)) << row << ": " << text;
  }
}

}  // namespace
}  // namespace muster::datastore
