#include "datastore/mot_reader.h"

#include <algorithm>

#include "common/error.h"
#include "tests/datastore/small_films.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;

// Noise pictures: every crop can be told from every other.
class MotReaderTest : public testing::Test {
 protected:
  static Image picture(const std::string& sequence, int frame) {
    return noise(60, 80,
                 sequence.size() * 1000 + uint64_t(sequence.back()) * 100 + uint64_t(frame));
  }
  void write_pictures(const std::string& sequence, int frames) const {
    fs::create_directories(directory_.path() / sequence / "img1");
    for (int frame = 0; frame < frames; ++frame) {
      write_picture(picture_path(sequence, frame), picture(sequence, frame));
    }
  }
  fs::path picture_path(const std::string& sequence, int frame) const {
    char name[16];
    std::snprintf(name, sizeof(name), "%06d.png", frame + 1);
    return directory_.path() / sequence / "img1" / name;
  }
  static cv::Rect place(int id, int frame) { return {3 + 2 * frame + id, 5 + 4 * id, 16, 32}; }
  // Rows of gt.txt in frames [first, last) (from 0).
  static std::string truth_rows(int id, int first, int last) {
    std::string rows;
    for (int frame = first; frame < last; ++frame) {
      const cv::Rect box = place(id, frame);
      rows += std::to_string(frame + 1) + "," + std::to_string(id) + "," +
              std::to_string(box.x + 1) + "," + std::to_string(box.y + 1) + ",16,32,1,1,1.0\n";
    }
    return rows;
  }
  void write_sequence(const std::string& name, int frames, const std::string& truth) const {
    write_pictures(name, frames);
    write_text(directory_.path() / name / "gt" / "gt.txt", truth);
  }
  std::unique_ptr<DatasetReader> opened(const std::string& below = "",
                                        OnError on_error = OnError::kFail) {
    return open_mot(below.empty() ? directory_.path() : directory_ / below,
                    small_video_options(on_error), progress_);
  }
  std::string refusal(const std::string& below = "") {
    return failure_text<InputError>([&] { opened(below); });
  }
  common::TestDirectory directory_;
  common::RecordingProgress progress_;
};

TEST_F(MotReaderTest, OneSequenceGivesTheHalvesOfEachTrack) {
  write_sequence("MOT-01", 14, truth_rows(2, 0, 14) + truth_rows(5, 1, 12));
  const auto reader = opened("MOT-01");
  EXPECT_EQ(summary_of(*reader), (std::vector<std::string>{
                                     "2 1 0 6 person_2/early_half", "2 2 0 6 person_2/late_half",
                                     "5 1 0 4 person_5/early_half", "5 2 0 4 person_5/late_half"}));
  // Person 2: frames 0 to 5 and 8 to 13; person 5 (frames 1 to 11): 1 to 4 and 8 to 11.
  for (int frame = 0; frame < 6; ++frame) {
    EXPECT_EQ(reader->read_frame(0, frame).image.rgb,
              pixels_in(picture("MOT-01", frame), place(2, frame)));
    EXPECT_EQ(reader->read_frame(1, frame).image.rgb,
              pixels_in(picture("MOT-01", 8 + frame), place(2, 8 + frame)));
  }
  for (int frame = 0; frame < 4; ++frame) {
    EXPECT_EQ(reader->read_frame(2, frame).image.rgb,
              pixels_in(picture("MOT-01", 1 + frame), place(5, 1 + frame)));
    EXPECT_EQ(reader->read_frame(3, frame).image.rgb,
              pixels_in(picture("MOT-01", 8 + frame), place(5, 8 + frame)));
  }
  EXPECT_EQ(reader->facts().layout, "mot");
  EXPECT_EQ(reader->facts().origin,
            "People annotated (gt.txt) in MOT-01 (14 frames): identities are annotated tracks; "
            "camera 1 is a track's early half, camera 2 its late half.");
}

TEST_F(MotReaderTest, AGapCutsATrackIntoSequences) {
  write_sequence("a", 12, truth_rows(1, 0, 5) + truth_rows(1, 7, 12));
  write_sequence("b", 4, truth_rows(1, 0, 4));
  const auto reader = opened();
  EXPECT_EQ(summary_of(*reader),
            (std::vector<std::string>{"1 1 0 5 a/person_1", "1 1 1 5 a/person_1/part_2",
                                      "2 2 0 4 b/person_1"}));
  EXPECT_EQ(reader->read_frame(1, 0).image.rgb, pixels_in(picture("a", 7), place(1, 7)));
}

TEST_F(MotReaderTest, SeveralSequencesAreCamerasThatShareNobody) {
  write_sequence("b", 6, truth_rows(1, 0, 6) + truth_rows(3, 0, 2));
  write_sequence("a", 6, truth_rows(1, 0, 6) + truth_rows(4, 0, 6));
  const auto reader = opened();
  EXPECT_EQ(
      summary_of(*reader),
      (std::vector<std::string>{"1 1 0 6 a/person_1", "4 1 0 6 a/person_4", "5 2 0 6 b/person_1"}));
  ASSERT_EQ(progress_.notes.size(), 1u);
  EXPECT_TRUE(contains(progress_.notes[0], "1 of 2 tracks of b are too short"))
      << progress_.notes[0];
  EXPECT_TRUE(contains(reader->facts().origin, "2 films (12 frames)")) << reader->facts().origin;
  EXPECT_TRUE(contains(reader->facts().origin, "nobody is known to be in two"));
}

TEST_F(MotReaderTest, AFileOfIdentitiesJoinsSequences) {
  write_sequence("a", 6, truth_rows(1, 0, 6) + truth_rows(4, 0, 6));
  write_sequence("b", 6, truth_rows(1, 0, 6));
  write_text(directory_ / "identities.csv", "video,track,identity,camera\na,4,9,1\nb,1,9,2\n");
  EXPECT_EQ(summary_of(*opened()),
            (std::vector<std::string>{"9 1 0 6 a/person_4", "9 2 0 6 b/person_1"}));
}

TEST_F(MotReaderTest, AVideoMayStandForThePictures) {
  fs::create_directories(directory_ / "MOT-02");
  write_film(directory_ / "MOT-02" / "MOT-02.avi", 10, 1);
  std::string rows;
  for (int frame = 0; frame < 10; ++frame) {
    const cv::Rect box = place_of(0, frame);
    rows += std::to_string(frame + 1) + ",1," + std::to_string(box.x + 1) + "," +
            std::to_string(box.y + 1) + ",16,32,1,1,1\n";
  }
  write_text(directory_ / "MOT-02" / "gt" / "gt.txt", rows);
  const auto reader = opened("MOT-02");
  ASSERT_EQ(reader->tracklets().size(), 2u);
  const Image crop = reader->read_frame(1, 2).image;
  EXPECT_NEAR(crop.rgb[(8 * 16 + 1) * 3], 220, 40);  // red near the left edge
  EXPECT_NEAR(crop.rgb[(8 * 16 + 14) * 3], 220, 40);
  EXPECT_NEAR(crop.rgb[(24 * 16 + 8) * 3 + 1], 220, 40);  // green below
}

TEST_F(MotReaderTest, DetectionsAreJoinedIntoTracks) {
  // Two textured people cross the picture; their boxes come without ids.
  constexpr int kFrames = 45;
  const Image first = noise(40, 20, 1), second = noise(40, 20, 2);
  std::string rows;
  fs::create_directories(directory_ / "MOT-03" / "img1");
  for (int frame = 0; frame < kFrames; ++frame) {
    cv::Mat canvas(120, 160, CV_8UC3, cv::Scalar(90, 110, 100));
    int top = 10;
    for (const Image* person : {&second, &first}) {
      const cv::Mat texture(40, 20, CV_8UC3, const_cast<uint8_t*>(person->rgb.data()));
      cv::Mat smooth;
      cv::GaussianBlur(texture, smooth, cv::Size(5, 5), 0);
      cv::addWeighted(smooth, 0.6,
                      cv::Mat(40, 20, CV_8UC3,
                              person == &first ? cv::Scalar(0, 0, 200) : cv::Scalar(200, 0, 0)),
                      0.4, 0, smooth);
      const int left = 10 + 2 * frame;
      smooth.copyTo(canvas(cv::Rect(left, top, 20, 40)));
      rows += std::to_string(frame + 1) + ",-1," + std::to_string(left + 1) + "," +
              std::to_string(top + 1) + ",20,40,0.9,-1,-1,-1\n";
      top += 60;
    }
    cv::imwrite(picture_path("MOT-03", frame).string(), canvas);
  }
  write_text(directory_ / "MOT-03" / "det" / "det.txt", rows);
  VideoOptions options = small_video_options();
  const auto reader = open_mot(directory_ / "MOT-03", options, progress_);
  EXPECT_EQ(
      summary_of(*reader),
      (std::vector<std::string>{"1 1 0 21 person_1/early_half", "1 2 0 21 person_1/late_half",
                                "2 1 0 21 person_2/early_half", "2 2 0 21 person_2/late_half"}));
  // The upper one's pictures are blue, the lower one's red.
  const auto mean = [&](size_t tracklet, size_t channel) {
    const Image crop = reader->read_frame(tracklet, 10).image;
    double sum = 0;
    for (size_t i = channel; i < crop.rgb.size(); i += 3) sum += crop.rgb[i];
    return sum * 3 / double(crop.rgb.size());
  };
  const bool first_is_red = mean(0, 0) > mean(0, 2);
  EXPECT_EQ(mean(1, 0) > mean(1, 2), first_is_red);
  EXPECT_NE(mean(2, 0) > mean(2, 2), first_is_red);
  EXPECT_TRUE(contains(reader->facts().origin, "det.txt")) << reader->facts().origin;
}

TEST_F(MotReaderTest, SourcesArePicturesBoxesAndSequenceInfo) {
  write_sequence("s", 10, truth_rows(1, 0, 10));
  write_text(directory_ / "s" / "seqinfo.ini",
             "[Sequence]\r\nname=s\r\nimDir=img1\r\nseqLength=10\r\n");
  const auto reader = opened("s");
  ASSERT_EQ(reader->source_count(), 12u);
  EXPECT_EQ(reader->source(0), picture_path("s", 0));
  EXPECT_EQ(reader->source(10), directory_ / "s" / "gt" / "gt.txt");
  EXPECT_EQ(reader->source(11), directory_ / "s" / "seqinfo.ini");
}

TEST_F(MotReaderTest, FewerPicturesThanTheSequenceHasEndEarly) {
  write_sequence("s", 14, truth_rows(1, 0, 20));
  write_text(directory_ / "s" / "seqinfo.ini", "[Sequence]\nseqLength=20\n");
  const std::string text = refusal("s");
  EXPECT_TRUE(contains(text, "ends early: has 14 of 20 frames")) << text;
  EXPECT_TRUE(contains(text, "--on-error skip")) << text;
  const auto reader = opened("s", OnError::kSkip);
  EXPECT_EQ(summary_of(*reader), (std::vector<std::string>{"1 1 0 6 person_1/early_half",
                                                           "1 2 0 6 person_1/late_half"}));
  ASSERT_EQ(reader->left_out().size(), 1u);
  EXPECT_EQ(reader->left_out()[0].name, "s/img1");
  EXPECT_EQ(reader->left_out()[0].reason, "ends early: has 14 of 20 frames");
}

TEST_F(MotReaderTest, BoxesBehindTheLastPictureAreRefusedWithTheirLine) {
  write_sequence("s", 10, truth_rows(1, 0, 10) + truth_rows(2, 6, 12));
  const std::string text = refusal("s");
  EXPECT_TRUE(contains(text, "gt.txt line 15: frame 11 is behind the last, 10 (track 2)")) << text;
  const auto reader = opened("s", OnError::kSkip);
  EXPECT_EQ(reader->tracklets().size(), 2u);
  EXPECT_EQ(reader->left_out().size(), 1u);
}

TEST_F(MotReaderTest, ABoxOutsideThePictureIsRefusedWithItsLine) {
  write_sequence("s", 10, truth_rows(1, 0, 10) + "1,2,500,5,16,32,1,1,1\n");
  const std::string text = refusal("s");
  EXPECT_TRUE(contains(text, "gt.txt line 11: the box lies outside the picture, 80x60 pixels"))
      << text;
}

TEST_F(MotReaderTest, ADamagedOrMissingPictureIsAGapWhereItIsSkipped) {
  write_sequence("a", 11, truth_rows(1, 0, 11));
  write_sequence("b", 4, truth_rows(1, 0, 4));
  write_text(picture_path("a", 5), "no picture");
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, picture_path("a", 5).string())) << text;
  auto reader = opened("", OnError::kSkip);
  EXPECT_EQ(summary_of(*reader),
            (std::vector<std::string>{"1 1 0 5 a/person_1", "1 1 1 5 a/person_1/part_2",
                                      "2 2 0 4 b/person_1"}));
  ASSERT_EQ(reader->left_out().size(), 1u);
  EXPECT_EQ(reader->left_out()[0].name, "a/img1/000006.png");
  fs::remove(picture_path("a", 5));
  EXPECT_TRUE(contains(refusal(), "img1 frame 6: has no picture"));
}

TEST_F(MotReaderTest, APictureOfAnotherSizeIsAGapWhereItIsSkipped) {
  for (const int odd : {0, 5, 10}) {  // also where it comes first
    write_sequence("s", 11, truth_rows(1, 0, 11));
    write_picture(picture_path("s", odd), noise(1, 1, 1));
    const std::string text = refusal("s");
    EXPECT_EQ(text, picture_path("s", odd).string() +
                        ": has 1x1 pixels, its sequence 80x60; fetch the picture again");
    write_sequence("t", 1, "");
    write_text(directory_ / "identities.csv", "video,track,identity,camera\ns,1,1,1\n");
    const auto reader = opened("", OnError::kSkip);
    int64_t frames = 0;
    for (const TrackletDescription& tracklet : reader->tracklets()) frames += tracklet.frames;
    EXPECT_EQ(frames, 10);
    EXPECT_EQ(reader->tracklets().size(), odd == 5 ? 2u : 1u);
    ASSERT_EQ(reader->left_out().size(), 1u);
    EXPECT_EQ(reader->left_out()[0].name,
              fs::relative(picture_path("s", odd), directory_.path()).string());
    EXPECT_EQ(reader->left_out()[0].reason, "has 1x1 pixels, its sequence 80x60");
    fs::remove(directory_ / "identities.csv");
  }
}

TEST_F(MotReaderTest, DetectionsAreNotJoinedAcrossAPictureOfAnotherSize) {
  write_pictures("s", 6);
  write_picture(picture_path("s", 3), noise(61, 80, 1));
  write_text(directory_ / "s" / "det" / "det.txt", truth_rows(1, 0, 6));
  const std::string text = refusal("s");
  EXPECT_TRUE(contains(text, picture_path("s", 3).string() + ": has 80x61 pixels")) << text;
}

TEST_F(MotReaderTest, DamagedSequenceInfoOfTheOnlySequenceIsLeftOutItself) {
  write_sequence("s", 11, truth_rows(1, 0, 11));
  write_text(directory_ / "s" / "seqinfo.ini", "[Sequence]\nname=s\n[Seq");
  for (const char* below : {"s", ""}) {
    const auto reader = opened(below, OnError::kSkip);
    EXPECT_EQ(reader->tracklets().size(), 2u) << below;
    ASSERT_EQ(reader->left_out().size(), 1u) << below;
    EXPECT_EQ(reader->left_out()[0].name, "s/seqinfo.ini");
    EXPECT_EQ(reader->left_out()[0].reason, "line 3: unmatched '['");
  }
}

TEST_F(MotReaderTest, WhereNothingIsLeftAllIsToldAndTheFirstNamed) {
  write_sequence("s", 6, truth_rows(1, 0, 6));
  write_text(directory_ / "s" / "seqinfo.ini", "[Seq");
  write_text(directory_ / "s" / "gt" / "gt.txt", "1,1,500,5,16,32,1,1,1\n");
  for (const char* below : {"s", ""}) {
    progress_.notes.clear();
    const std::string text = failure_text<InputError>([&] { opened(below, OnError::kSkip); });
    EXPECT_EQ(text.rfind((directory_ / "s").string() +
                             ": gives no tracklets: 3 things are left "
                             "out, the first is s/seqinfo.ini (line 1: unmatched '['); see ",
                         0),
              0u)
        << text;
    ASSERT_EQ(progress_.notes.size(), 3u);
    EXPECT_EQ(progress_.notes[1],
              "left out s/gt/gt.txt line 1: the box lies outside the picture, 80x60 pixels (track "
              "1)");
    EXPECT_EQ(progress_.notes[2], "left out s: s/gt/gt.txt: has no box that can be used");
  }
}

TEST_F(MotReaderTest, ARemedyIsSaidOnce) {
  write_sequence("a", 11, truth_rows(1, 0, 11));
  write_sequence("b", 4, truth_rows(1, 0, 4));
  write_text(picture_path("a", 5), "no picture");
  const std::string text = refusal();
  EXPECT_EQ(text, picture_path("a", 5).string() +
                      ": is no JPEG, PNG or BMP picture; fetch the picture again");
  fs::remove_all(directory_ / "b" / "gt");
  write_pictures("a", 11);
  EXPECT_EQ(opened("", OnError::kSkip)->left_out()[0].reason,
            "has neither gt/gt.txt nor det/det.txt");
}

TEST_F(MotReaderTest, WhatIsNoSequenceIsNamed) {
  write_sequence("a", 6, truth_rows(1, 0, 6));
  write_sequence("c", 6, truth_rows(1, 0, 6));
  fs::create_directories(directory_ / "b" / "img1");
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, (directory_ / "b").string())) << text;
  EXPECT_TRUE(contains(text, "neither gt/gt.txt nor det/det.txt")) << text;
  const auto reader = opened("", OnError::kSkip);
  EXPECT_EQ(summary_of(*reader),  // camera 3 stays camera 3
            (std::vector<std::string>{"1 1 0 6 a/person_1", "2 3 0 6 c/person_1"}));
  ASSERT_EQ(reader->left_out().size(), 1u);
  EXPECT_EQ(reader->left_out()[0].name, "b");
  EXPECT_TRUE(contains(refusal("b"), "neither"));
  EXPECT_TRUE(contains(refusal("absent"), (directory_ / "absent").string()));
}

TEST_F(MotReaderTest, DamagedSequenceInfoIsNamed) {
  write_sequence("s", 6, truth_rows(1, 0, 6));
  for (const char* text : {"[Sequence]\nseqLength=many\n", "[Sequence]\nseqLength=-4\n", "[Seq"}) {
    write_text(directory_ / "s" / "seqinfo.ini", text);
    EXPECT_TRUE(contains(refusal("s"), "seqinfo.ini")) << text;
  }
}

}  // namespace
}  // namespace muster::datastore
