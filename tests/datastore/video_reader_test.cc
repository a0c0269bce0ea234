#include "datastore/video_reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <string>

#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;
namespace {

class RecordingProgress : public common::SilentProgress {
 public:
  void begin(const std::string& what, const std::string&, int64_t total) override {
    stretches.emplace_back(what, total);
  }
  void note(const std::string& text) override { notes.push_back(text); }
  std::vector<std::pair<std::string, int64_t>> stretches;
  std::vector<std::string> notes;
};

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
  RecordingProgress progress_;
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

TEST_F(VideoReaderTest, AVideoThatEndsEarlyIsUsedAsFarAsItGoes) {
  const fs::path path = write_bars(40);
  fs::resize_file(path, fs::file_size(path) * 6 / 10);
  EXPECT_NE(complaint(path).find("shows nobody"), std::string::npos);
  ASSERT_EQ(progress_.notes.size(), 1u);
  EXPECT_NE(progress_.notes[0].find("bars.avi ends early: decoded "), std::string::npos);
  EXPECT_NE(progress_.notes[0].find(" of 40 frames"), std::string::npos);
}

// Pedestrians from OpenCV's examples; MUSTER_TEST_VIDEO names another place of the file.
class PedestrianVideo : public VideoReaderTest {
 protected:
  void SetUp() override {
    VideoReaderTest::SetUp();
    const char* chosen = std::getenv("MUSTER_TEST_VIDEO");
    video_ = chosen ? chosen : "/usr/share/doc/opencv-doc/examples/data/vtest.avi";
    ASSERT_TRUE(fs::exists(video_)) << "no " << video_ << "; Debian's opencv-doc has it";
    options_.max_frames = 90;
  }
  fs::path video_;
  VideoOptions options_;
};

TEST_F(PedestrianVideo, TracksBecomeIdentitiesWithTwoHalves) {
  options_.jobs = 2;
  const auto reader = open_video(video_, options_, progress_);
  EXPECT_EQ(reader->facts().layout, "video");
  EXPECT_FALSE(reader->facts().synthetic);
  EXPECT_NE(reader->facts().origin.find("(90 frames)"), std::string::npos);
  ASSERT_EQ(reader->source_count(), 1u);
  EXPECT_EQ(reader->source(0), video_);
  ASSERT_EQ(progress_.stretches.size(), 2u);
  EXPECT_EQ(progress_.stretches[0].first, "detecting people in " + video_.filename().string());
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
  options_.max_frames = 60;
  options_.jobs = 1;
  const auto alone = open_video(video_, options_, progress_);
  options_.jobs = 3;
  const auto together = open_video(video_, options_, progress_);
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
