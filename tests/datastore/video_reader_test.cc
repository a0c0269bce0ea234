#include "datastore/video_reader.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <string>

#include "common/error.h"
#include "tests/datastore/small_films.h"

namespace muster::datastore {
namespace fs = std::filesystem;
namespace {

class VideoReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "muster-video-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  // Moving bars: a video without people.
  fs::path write_bars(int frames) const {
    const fs::path path = directory_ / "bars.avi";
    cv::VideoWriter writer(path.string(), cv::CAP_FFMPEG,
                           cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 10, cv::Size(160, 120));
    for (int frame = 0; frame < frames; ++frame) {
      cv::Mat picture(120, 160, CV_8UC3, cv::Scalar(90, 120, 60));
      cv::rectangle(picture, cv::Rect(2 * frame, 50, 60, 12), cv::Scalar(20, 20, 200), cv::FILLED);
      writer.write(picture);
    }
    return path;
  }

  // A film of `persons` people with their boxes as tracks 1, 2, ...
  void write_boxed_film(const std::string& name, int frames, int persons) const {
    write_film(directory_ / (name + ".avi"), frames, persons);
    std::string rows = kBoxHeading;
    for (int person = 0; person < persons; ++person)
      rows += box_rows(person, person + 1, 0, frames);
    write_text(directory_ / (name + ".boxes.csv"), rows);
  }
  std::unique_ptr<DatasetReader> opened(const std::string& below = "",
                                        OnError on_error = OnError::kFail) {
    return open_video(below.empty() ? directory_ : directory_ / below,
                      small_video_options(on_error), progress_);
  }
  std::string refusal(const std::string& below = "") {
    return common::failure_text<common::InputError>([&] { opened(below); });
  }
  // Of rgb; JPEG blurs colours by a few pixels.
  static void expect_person(int person, const Image& crop) {
    ASSERT_EQ(crop.height, 32);
    ASSERT_EQ(crop.width, 16);
    for (const int x : {1, 8, 14}) {
      for (const int y : {1, 8, 24, 30}) {
        const cv::Scalar bgr = y < 16 ? upper_colour(person) : lower_colour(person);
        for (int channel = 0; channel < 3; ++channel) {
          EXPECT_NEAR(crop.rgb[size_t((y * 16 + x) * 3 + channel)], bgr[2 - channel], 50)
              << "person " << person << " at " << x << ", " << y;
        }
      }
    }
  }

  // What open_video complains about; empty if it does not.
  std::string complaint(const fs::path& video) {
    try {
      open_video(video, {}, progress_);
    } catch (const common::InputError& error) {
      return error.what();
    }
    return "";
  }

  fs::path directory_;
  common::RecordingProgress progress_;
};

TEST_F(VideoReaderTest, AMissingFileIsNamed) {
  EXPECT_NE(complaint(directory_ / "nowhere.avi").find("nowhere.avi"), std::string::npos);
}

TEST_F(VideoReaderTest, AFileThatIsNoVideoIsNamed) {
  std::ofstream(directory_ / "notes.avi") << "shopping: bread, milk, a video camera\n";
  EXPECT_NE(complaint(directory_ / "notes.avi").find("notes.avi"), std::string::npos);
  std::ofstream(directory_ / "empty.avi").flush();
  EXPECT_NE(complaint(directory_ / "empty.avi").find("empty.avi"), std::string::npos);
}

TEST_F(VideoReaderTest, AVideoWithoutPeopleIsAnErrorWithARemedy) {
  const std::string text = complaint(write_bars(40));
  EXPECT_NE(text.find("bars.avi"), std::string::npos);
  EXPECT_NE(text.find("shows nobody"), std::string::npos);
  EXPECT_NE(text.find("40 frames"), std::string::npos);
  EXPECT_NE(text.find("choose another"), std::string::npos);
  EXPECT_TRUE(progress_.notes.empty());
}

TEST_F(VideoReaderTest, AVideoThatEndsEarlyIsRefusedWithARemedy) {
  const fs::path path = write_bars(40);
  fs::resize_file(path, fs::file_size(path) * 6 / 10);
  const std::string text = complaint(path);
  EXPECT_NE(text.find("bars.avi: ends early: decoded "), std::string::npos) << text;
  EXPECT_NE(text.find(" of 40 frames"), std::string::npos) << text;
  EXPECT_NE(text.find("--on-error skip"), std::string::npos) << text;
}

TEST_F(VideoReaderTest, BoxesBesideAVideoReplaceTheDetector) {
  write_boxed_film("hall", 12, 2);
  const auto reader = opened("hall.avi");
  EXPECT_EQ(summary_of(*reader), (std::vector<std::string>{
                                     "1 1 0 5 person_1/early_half", "1 2 0 5 person_1/late_half",
                                     "2 1 0 5 person_2/early_half", "2 2 0 5 person_2/late_half"}));
  for (size_t tracklet = 0; tracklet < 4; ++tracklet) {
    for (int64_t frame = 0; frame < 5; ++frame) {
      expect_person(int(tracklet / 2), reader->read_frame(tracklet, frame).image);
    }
  }
  EXPECT_EQ(
      reader->facts().origin,
      "People boxed by file (*.boxes.csv) in hall.avi (12 frames): identities are tracks, not "
      "labelled people; camera 1 is a track's early half, camera 2 its late half.");
  ASSERT_EQ(reader->source_count(), 2u);
  EXPECT_EQ(reader->source(0), directory_ / "hall.avi");
  EXPECT_EQ(reader->source(1), directory_ / "hall.boxes.csv");
  ASSERT_EQ(progress_.stretches.size(), 1u);  // nobody is detected
}

TEST_F(VideoReaderTest, AFolderOfVideosGivesACameraEach) {
  write_boxed_film("höf 2%d", 8, 1);
  write_boxed_film("a", 8, 2);
  EXPECT_EQ(summary_of(*opened()),
            (std::vector<std::string>{"1 1 0 8 a.avi/person_1", "2 1 0 8 a.avi/person_2",
                                      "3 2 0 8 höf 2%d.avi/person_1"}));
}

TEST_F(VideoReaderTest, IdentitiesJoinTheVideosOfSeveralCameras) {
  write_boxed_film("a", 8, 2);
  write_boxed_film("b", 6, 2);
  write_boxed_film("c", 6, 1);
  write_text(directory_ / "identities.csv",
             "video,track,identity,camera\nb.avi,1,40,7\na.avi,1,40,3\na.avi,2,12,3\n");
  const auto reader = opened();
  EXPECT_EQ(summary_of(*reader),
            (std::vector<std::string>{"12 3 0 8 a.avi/person_2", "40 3 0 8 a.avi/person_1",
                                      "40 7 0 6 b.avi/person_1"}));
  expect_person(1, reader->read_frame(0, 3).image);
  expect_person(0, reader->read_frame(1, 3).image);
  expect_person(0, reader->read_frame(2, 3).image);
  ASSERT_EQ(progress_.notes.size(), 1u);
  EXPECT_EQ(progress_.notes[0],
            "identities.csv does not list 1 tracks and 1 whole films; they are not used");
  EXPECT_EQ(reader->facts().origin,
            "People boxed by file (*.boxes.csv) in 2 films (14 frames): identities and cameras are "
            "those of identities.csv.");
  ASSERT_EQ(reader->source_count(), 5u);
  EXPECT_EQ(reader->source(4), directory_ / "identities.csv");
}

TEST_F(VideoReaderTest, AListedTrackIsKeptHoweverShortAndCutAtItsGaps) {
  write_film(directory_ / "a.avi", 12, 1);
  write_text(directory_ / "a.boxes.csv",
             kBoxHeading + box_rows(0, 1, 0, 2) + box_rows(0, 1, 5, 6) + box_rows(0, 2, 8, 12));
  write_text(directory_ / "identities.csv",
             "video,track,identity,camera\na.avi,1,4,1\na.avi,2,4,1\n");
  EXPECT_EQ(summary_of(*opened()),
            (std::vector<std::string>{"4 1 0 2 person_1", "4 1 1 1 person_1/part_2",
                                      "4 1 2 4 person_2"}));
}

TEST_F(VideoReaderTest, IdentitiesOfMissingVideosAndTracksAreRefusedWithTheirLine) {
  write_boxed_film("a", 8, 1);
  const std::string heading = "video,track,identity,camera\na.avi,1,1,1\n";
  write_text(directory_ / "identities.csv", heading + "z.avi,1,1,2\n");
  EXPECT_TRUE(common::contains(refusal(), "identities.csv line 3: names 'z.avi'"));
  EXPECT_EQ(opened("", OnError::kSkip)->tracklets().size(), 1u);
  write_text(directory_ / "identities.csv", heading + "a.avi,5,1,2\n");
  EXPECT_TRUE(common::contains(refusal(), "identities.csv line 3: a.avi has no track 5"));
  const auto reader = opened("", OnError::kSkip);
  ASSERT_EQ(reader->left_out().size(), 1u);
  EXPECT_EQ(reader->left_out()[0].name, "identities.csv line 3");
}

TEST_F(VideoReaderTest, BoxesBehindTheEndAreRefusedWithTheirLine) {
  write_film(directory_ / "a.avi", 10, 1);
  write_text(directory_ / "a.boxes.csv", kBoxHeading + box_rows(0, 1, 0, 13));
  const std::string text = refusal("a.avi");
  EXPECT_TRUE(common::contains(text, "a.boxes.csv line 12: frame 11 is behind the last, 10"))
      << text;
}

TEST_F(VideoReaderTest, ACutOffVideoWithBoxesGivesWhatIsThereWhereThatIsSkipped) {
  write_boxed_film("a", 40, 1);
  fs::resize_file(directory_ / "a.avi", fs::file_size(directory_ / "a.avi") / 2);
  EXPECT_TRUE(common::contains(refusal("a.avi"), "a.avi: ends early: decoded "));
  const auto reader = opened("a.avi", OnError::kSkip);
  ASSERT_EQ(reader->left_out().size(), 1u);
  EXPECT_EQ(reader->left_out()[0].name, "a.avi");
  const std::string reason = reader->left_out()[0].reason;
  const int64_t decoded = std::stoll(reason.substr(std::string("ends early: decoded ").size()));
  EXPECT_EQ(reason, "ends early: decoded " + std::to_string(decoded) + " of 40 frames");
  ASSERT_EQ(reader->tracklets().size(), 2u);
  EXPECT_EQ(reader->tracklets()[1].frames, (decoded - 2) / 2);
}

// Whose frames all lie behind the end is lost as much as a track that is not in the file of boxes.
TEST_F(VideoReaderTest, ListedTracksThatACutOffVideoLosesAreListedWithTheReason) {
  write_film(directory_ / "a.avi", 40, 1);
  write_text(directory_ / "a.boxes.csv",
             kBoxHeading + box_rows(0, 1, 0, 8) + box_rows(0, 2, 34, 40) + box_rows(0, 3, 36, 40));
  write_text(directory_ / "identities.csv",
             "video,track,identity,camera\na.avi,1,4,1\na.avi,2,5,1\n");
  ASSERT_EQ(summary_of(*opened()).size(), 2u);
  fs::resize_file(directory_ / "a.avi", fs::file_size(directory_ / "a.avi") / 2);
  const auto reader = opened("", OnError::kSkip);
  EXPECT_EQ(summary_of(*reader), std::vector<std::string>{"4 1 0 8 person_1"});
  ASSERT_EQ(reader->left_out().size(), 2u);
  const std::string end = reader->left_out()[0].reason;
  EXPECT_EQ(end.rfind("ends early: decoded ", 0), 0u) << end;
  EXPECT_EQ(reader->left_out()[1].name, "identities.csv line 3");
  EXPECT_EQ(reader->left_out()[1].reason, "a.avi has no track 2 that can be used; the film " + end);
}

TEST_F(VideoReaderTest, AVariableFrameRateGivesItsFrames) {
  std::vector<int> times;
  for (int frame = 0; frame < 12; ++frame) times.push_back(frame < 6 ? 40 * frame : 500 * frame);
  write_matroska(directory_ / "phone.mkv", times, 5600, 1);
  write_text(directory_ / "phone.boxes.csv", kBoxHeading + box_rows(0, 1, 0, 12));
  const auto reader = opened("phone.mkv");
  EXPECT_EQ(summary_of(*reader), (std::vector<std::string>{"1 1 0 5 person_1/early_half",
                                                           "1 2 0 5 person_1/late_half"}));
  for (int64_t frame = 0; frame < 5; ++frame) expect_person(0, reader->read_frame(1, frame).image);
}

TEST_F(VideoReaderTest, AnUnusableVideoOfAFolderIsLeftOutWhereThatIsSkipped) {
  write_boxed_film("a", 8, 1);
  write_boxed_film("c", 8, 1);
  write_text(directory_ / "b.mp4", "no video");
  EXPECT_TRUE(common::contains(refusal(), "b.mp4: not a video"));
  const auto reader = opened("", OnError::kSkip);
  EXPECT_EQ(summary_of(*reader),
            (std::vector<std::string>{"1 1 0 8 a.avi/person_1", "2 3 0 8 c.avi/person_1"}));
  ASSERT_EQ(reader->left_out().size(), 1u);
  EXPECT_EQ(reader->left_out()[0].name, "b.mp4");
  EXPECT_EQ(reader->left_out()[0].reason.rfind("not a video", 0), 0u)
      << reader->left_out()[0].reason;
}

TEST_F(VideoReaderTest, AFolderWithoutVideosAndBoxesWithoutTheirsAreNamed) {
  EXPECT_TRUE(common::contains(refusal(), directory_.string() + ": holds no video"));
  write_boxed_film("a", 8, 1);
  write_text(directory_ / "hal.boxes.csv", kBoxHeading);
  EXPECT_TRUE(common::contains(refusal(), "hal.boxes.csv: belongs to no video"));
}

TEST_F(VideoReaderTest, AFileOfBoxesWithoutARowIsNamed) {
  write_boxed_film("a", 8, 1);
  write_text(directory_ / "a.boxes.csv", kBoxHeading);
  EXPECT_TRUE(common::contains(refusal("a.avi"), "a.boxes.csv: has no box that can be used"));
}

// Here because the process has no descriptor left for it.
TEST_F(VideoReaderTest, AFolderThatCannotBeListedIsNamed) {
  write_boxed_film("a", 8, 1);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::string text;
  try {
    opened();
  } catch (const common::SystemError& failure) {
    text = failure.what();
  } catch (const std::exception& failure) {
    text = std::string("something else: ") + failure.what();
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(text.find(directory_.string() + ": cannot be listed"), 0u) << text;
}

// The first frames of a video of OpenCV's examples; MUSTER_TEST_VIDEO names another place of it.
class PedestrianVideo : public VideoReaderTest {
 protected:
  void SetUp() override {
    VideoReaderTest::SetUp();
    const char* chosen = std::getenv("MUSTER_TEST_VIDEO");
    whole_ = chosen ? chosen : "/usr/share/doc/opencv-doc/examples/data/vtest.avi";
    ASSERT_TRUE(fs::exists(whole_)) << "no " << whole_ << "; Debian's opencv-doc has it";
  }
  // The start of it, as a video of its own.
  fs::path beginning(int frames) const {
    const fs::path path = directory_ / "pedestrians.avi";
    cv::VideoCapture reader(whole_.string(), cv::CAP_FFMPEG);
    cv::Mat picture;
    reader.read(picture);
    cv::VideoWriter writer(path.string(), cv::CAP_FFMPEG,
                           cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 10, picture.size());
    for (int frame = 0; frame < frames; ++frame) {
      writer.write(picture);
      reader.read(picture);
    }
    return path;
  }
  VideoOptions options_;

 private:
  fs::path whole_;
};

TEST_F(PedestrianVideo, TracksBecomeIdentitiesWithTwoHalves) {
  const fs::path video = beginning(90);
  options_.jobs = 2;
  const auto reader = open_video(video, options_, progress_);
  EXPECT_EQ(reader->facts().layout, "video");
  EXPECT_FALSE(reader->facts().synthetic);
  EXPECT_NE(reader->facts().origin.find("(90 frames)"), std::string::npos);
  ASSERT_EQ(reader->source_count(), 1u);
  EXPECT_EQ(reader->source(0), video);
  ASSERT_EQ(progress_.stretches.size(), 2u);
  EXPECT_EQ(progress_.stretches[0].first, "detecting people in " + video.filename().string());
  EXPECT_EQ(progress_.stretches[0].second, 90);
  EXPECT_TRUE(progress_.notes.empty());

  const auto& tracklets = reader->tracklets();
  ASSERT_GE(tracklets.size(), 4u);
  ASSERT_EQ(tracklets.size() % 2, 0u);
  for (size_t index = 0; index < tracklets.size(); ++index) {
    EXPECT_EQ(tracklets[index].identity, static_cast<int32_t>(index / 2 + 1));
    EXPECT_EQ(tracklets[index].camera, static_cast<int16_t>(index % 2 + 1));
    EXPECT_GE(tracklets[index].frames, 16);
    EXPECT_LE(2 * tracklets[index].frames + 5, 90);
    EXPECT_TRUE(reader->read_joints(index).empty());
    const Image last = reader->read_frame(index, tracklets[index].frames - 1).image;
    EXPECT_EQ(last.height, 128);
    EXPECT_EQ(last.width, 64);
    EXPECT_EQ(last.rgb.size(), 128u * 64 * 3);
  }
  EXPECT_THROW(reader->read_frame(0, tracklets[0].frames), common::RequirementError);
}

TEST_F(PedestrianVideo, TheNumberOfThreadsDoesNotMatter) {
  const fs::path video = beginning(60);
  options_.jobs = 1;
  const auto alone = open_video(video, options_, progress_);
  options_.jobs = 3;
  const auto together = open_video(video, options_, progress_);
  ASSERT_EQ(alone->tracklets().size(), together->tracklets().size());
  for (size_t index = 0; index < alone->tracklets().size(); ++index) {
    ASSERT_EQ(alone->tracklets()[index].frames, together->tracklets()[index].frames);
    for (int64_t frame = 0; frame < alone->tracklets()[index].frames; ++frame) {
      ASSERT_EQ(alone->read_frame(index, frame).image.rgb,
                together->read_frame(index, frame).image.rgb);
    }
  }
}

}  // namespace
}  // namespace muster::datastore
