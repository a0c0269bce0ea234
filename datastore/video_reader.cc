#include "datastore/video_reader.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/error.h"

namespace muster::datastore {
namespace {

constexpr int64_t kSearchesPerBatch = 16;  // frames the detector gets at a time, from all threads

// Frames in order, as RGB.
class FrameSource {
 public:
  explicit FrameSource(const std::filesystem::path& video) : video_(video) {
    if (!std::filesystem::is_regular_file(video)) {
      throw common::InputError(video.string(), "no such file", "--input takes a video file");
    }
    bool opened = false;
    try {
      opened = capture_.open(video.string(), cv::CAP_FFMPEG);
    } catch (const cv::Exception&) {
    }
    if (!opened) {
      throw common::InputError(video.string(), "not a video that FFmpeg can decode",
                               "check it with ffprobe, or convert it to MP4 or AVI");
    }
  }

  // As the header has it; 0 if it does not say.
  int64_t announced_frames() const {
    const double count = capture_.get(cv::CAP_PROP_FRAME_COUNT);
    return count >= 1 && count < 1e9 ? std::llround(count) : 0;
  }

  std::optional<Image> next() {
    try {
      if (!capture_.read(decoded_) || decoded_.empty()) return std::nullopt;
    } catch (const cv::Exception& failure) {
      throw common::InputError(video_.string(), "cannot be decoded: " + failure.err);
    }
    cv::cvtColor(decoded_, converted_, cv::COLOR_BGR2RGB);
    return Image{converted_.rows, converted_.cols,
                 std::vector<uint8_t>(converted_.datastart, converted_.dataend)};
  }

 private:
  std::filesystem::path video_;
  cv::VideoCapture capture_;
  cv::Mat decoded_, converted_;
};

// Calls work(0 .. count-1) from `jobs` threads; rethrows the first exception.
void in_parallel(size_t count, int jobs, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto take_turns = [&] {
    try {
      for (size_t index = next++; index < count; index = next++) work(index);
    } catch (...) {
      std::lock_guard<std::mutex> lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  for (int job = 1; job < jobs && static_cast<size_t>(job) < count; ++job) {
    helpers.emplace_back(take_turns);
  }
  take_turns();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

struct FoundTracks {
  std::vector<Track> tracks;
  int64_t frames = 0;  // decoded
};

FoundTracks find_tracks(const std::filesystem::path& video, const VideoOptions& options,
                        common::ProgressSink& progress) {
  FrameSource source(video);
  const PersonDetector detector(options.detector);
  PersonTracker tracker(options.tracker);
  const std::string name = video.filename().string();
  const int64_t announced = source.announced_frames();
  const int64_t limit = options.max_frames > 0 ? options.max_frames : INT64_MAX;
  const int64_t interval = options.detection_interval_frames;
  progress.begin("detecting people in " + name, "frames", std::min(announced, limit));

  FoundTracks found;
  for (bool more = true; more;) {
    std::vector<Image> batch;  // begins with a frame to search
    while (more && static_cast<int64_t>(batch.size()) < kSearchesPerBatch * interval) {
      std::optional<Image> frame;
      if (found.frames + static_cast<int64_t>(batch.size()) < limit) frame = source.next();
      more = frame.has_value();
      if (more) batch.push_back(std::move(*frame));
    }
    const size_t stride = static_cast<size_t>(interval);
    std::vector<std::vector<PersonBox>> people((batch.size() + stride - 1) / stride);
    in_parallel(people.size(), options.jobs,
                [&](size_t search) { people[search] = detector.detect(batch[search * stride]); });
    for (size_t index = 0; index < batch.size(); ++index) {
      std::optional<std::vector<PersonBox>> seen;
      if (index % stride == 0) seen = std::move(people[index / stride]);
      tracker.add_frame(batch[index], seen);
    }
    found.frames += static_cast<int64_t>(batch.size());
    progress.advance(found.frames);
  }
  progress.end();
  if (found.frames == 0) {
    throw common::InputError(video.string(), "no frame of it can be decoded",
                             "the file may be cut off or damaged");
  }
  if (found.frames < std::min(announced, limit)) {
    progress.note(name + " ends early: decoded " + std::to_string(found.frames) + " of " +
                  std::to_string(announced) + " frames");
  }
  found.tracks = tracker.finish();
  return found;
}

// Frames [begin, begin + frames) of one track become one tracklet.
struct Tracklet {
  size_t track;
  int64_t begin;  // frame of the video
  std::vector<Image> crops;
};

class VideoReader : public DatasetReader {
 public:
  VideoReader(std::filesystem::path video, const VideoOptions& options,
              common::ProgressSink& progress)
      : video_(std::move(video)), options_(options) {
    FoundTracks found = find_tracks(video_, options_, progress);
    frames_ = found.frames;
    cut_halves(found.tracks);
    if (tracklets_.empty()) {
      throw common::InputError(
          video_.string(),
          "shows nobody for " + std::to_string(2 * options_.minimum_frames + options_.gap_frames) +
              " frames or longer among " + std::to_string(frames_) + " frames",
          "muster looks for upright people of " +
              std::to_string(std::lround(options_.detector.smallest_person_pixels)) + " to " +
              std::to_string(std::lround(options_.detector.largest_person_pixels)) +
              " pixels height who walk; scale the video or choose another");
    }
    cut_crops(found.tracks, progress);
  }

  DatasetFacts facts() const override {
    return {"video",
            false,
            "People found and tracked in " + video_.filename().string() + " (" +
                std::to_string(frames_) + " frames): identities are tracks, not labelled people; " +
                "camera 1 is a track's early half, camera 2 its late half.",
            {},
            {}};
  }
  const std::vector<TrackletDescription>& tracklets() const override { return descriptions_; }
  SourceFrame read_frame(size_t tracklet, int64_t frame) const override {
    MUSTER_REQUIRE(tracklet, <, tracklets_.size());
    MUSTER_REQUIRE(frame, >=, 0);
    MUSTER_REQUIRE(frame, <, descriptions_[tracklet].frames);
    return {tracklets_[tracklet].crops[static_cast<size_t>(frame)], {}};
  }
  std::vector<Joint> read_joints(size_t) const override { return {}; }
  size_t source_count() const override { return 1; }
  std::filesystem::path source(size_t) const override { return video_; }
  const std::vector<LeftOut>& left_out() const override { return left_out_; }

 private:
  void cut_halves(const std::vector<Track>& tracks) {
    int32_t identity = 0;
    for (size_t index = 0; index < tracks.size(); ++index) {
      const auto length = static_cast<int64_t>(tracks[index].boxes.size());
      const int64_t half = (length - options_.gap_frames) / 2;
      if (half < options_.minimum_frames) continue;
      ++identity;
      const int64_t first = tracks[index].first_frame;
      for (const int16_t camera : {int16_t{1}, int16_t{2}}) {
        tracklets_.push_back({index, camera == 1 ? first : first + length - half, {}});
        descriptions_.push_back(
            {identity, camera, 0, half,
             "person_" + std::to_string(identity) + (camera == 1 ? "/early_half" : "/late_half"),
             kRoleNone});
      }
    }
  }

  void cut_crops(const std::vector<Track>& tracks, common::ProgressSink& progress) {
    FrameSource source(video_);
    progress.begin("cutting people out of " + video_.filename().string(), "frames", frames_);
    for (int64_t frame = 0; frame < frames_; ++frame) {
      const std::optional<Image> image = source.next();
      if (!image) {
        throw common::SystemError(video_.string(), "changed while it was read: frame " +
                                                       std::to_string(frame) + " is gone");
      }
      for (size_t index = 0; index < tracklets_.size(); ++index) {
        Tracklet& tracklet = tracklets_[index];
        if (frame < tracklet.begin || frame >= tracklet.begin + descriptions_[index].frames) {
          continue;
        }
        const Track& track = tracks[tracklet.track];
        tracklet.crops.push_back(
            crop(*image, track.boxes[static_cast<size_t>(frame - track.first_frame)]));
      }
      progress.advance(frame + 1);
    }
    progress.end();
  }

  // The box with its margin, widened or heightened to 1:2; outside the picture its border repeats.
  Image crop(const Image& image, const PersonBox& box) const {
    const double rim = 2 * options_.margin * box.height;
    const double height = std::max(box.height + rim, 2 * (box.width + 0.5 * rim));
    const int rows = std::max(2, int(std::lround(height)));
    const int columns = std::max(1, int(std::lround(0.5 * height)));
    const cv::Mat frame(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
    cv::Mat cut;  // interpolates to the exact centre, so that crops do not jump by whole pixels
    cv::getRectSubPix(frame, cv::Size(columns, rows),
                      cv::Point2f(box.x + 0.5f * box.width, box.y + 0.5f * box.height), cut);
    const bool shrinks = rows > options_.frame_height;
    Image crop{options_.frame_height, options_.frame_width,
               std::vector<uint8_t>(size_t(options_.frame_height) * options_.frame_width * 3)};
    cv::Mat resized(crop.height, crop.width, CV_8UC3, crop.rgb.data());
    cv::resize(cut, resized, resized.size(), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
    return crop;
  }

  const std::filesystem::path video_;
  const VideoOptions options_;
  int64_t frames_ = 0;  // decoded
  std::vector<Tracklet> tracklets_;
  std::vector<TrackletDescription> descriptions_;
  std::vector<LeftOut> left_out_;
};

}  // namespace

std::unique_ptr<DatasetReader> open_video(const std::filesystem::path& video,
                                          const VideoOptions& options,
                                          common::ProgressSink& progress) {
  // FFmpeg would print its own lines about damaged films between ours.
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
  MUSTER_REQUIRE(options.minimum_frames, >=, 1);
  MUSTER_REQUIRE(options.gap_frames, >=, 0);
  MUSTER_REQUIRE(options.detection_interval_frames, >=, 1);
  MUSTER_REQUIRE(std::min(options.frame_height, options.frame_width), >=, 1);
  return std::make_unique<VideoReader>(video, options, progress);
}

}  // namespace muster::datastore
