#include "datastore/film_frames.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "common/error.h"
#include "datastore/picture_files.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

constexpr double kWholeShare = 0.98;  // of the announced frames or time

int64_t limit_of(const FilmPlace& place) {
  return place.max_frames > 0 ? place.max_frames : INT64_MAX;
}

std::string decoded_of(int64_t decoded, int64_t announced) {
  return "decoded " + std::to_string(decoded) + " of " + std::to_string(announced) + " frames";
}

class VideoFrames : public FilmFrames {
 public:
  explicit VideoFrames(const FilmPlace& place) : video_(place.video), limit_(limit_of(place)) {
    std::error_code ignored;
    if (!fs::is_regular_file(video_, ignored)) throw InputError(video_.string(), "no such video");
    // FFmpeg would print its own lines about damaged films between ours.
    ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
    bool opened = false;
    try {
      opened = capture_.open(video_.string(), cv::CAP_FFMPEG);
    } catch (const cv::Exception&) {
    }
    if (!opened) {
      throw InputError(video_.string(), "not a video that FFmpeg can decode",
                       "check it with ffprobe, or convert it to MP4 or AVI");
    }
    const double count = capture_.get(cv::CAP_PROP_FRAME_COUNT);
    announced_ = count >= 1 && count < 1e9 ? std::llround(count) : 0;
    const double rate = capture_.get(cv::CAP_PROP_FPS);
    if (rate > 0 && std::isfinite(rate)) announced_ms_ = 1000.0 * double(announced_) / rate;
  }

  int64_t announced_frames() const override { return std::min(announced_, limit_); }

  std::optional<FilmFrame> next() override {
    if (decoded_ >= limit_) return std::nullopt;
    cv::Mat bgr;
    try {
      if (!capture_.read(bgr) || bgr.empty()) return std::nullopt;
    } catch (const cv::Exception& failure) {
      throw InputError(video_.string(), "cannot be decoded: " + failure.err);
    }
    if (decoded_ == 0) size_ = bgr.size();
    if (bgr.size() != size_) {
      throw InputError(video_.string(),
                       "changes the size of its pictures at frame " + std::to_string(decoded_ + 1),
                       "convert it to one size");
    }
    ++decoded_;
    const double now = capture_.get(cv::CAP_PROP_POS_MSEC);
    if (decoded_ == 1) first_ms_ = now;
    last_ms_ = now;
    FilmFrame frame;
    frame.image = {bgr.rows, bgr.cols, std::vector<uint8_t>(bgr.total() * 3)};
    cv::Mat target(bgr.rows, bgr.cols, CV_8UC3, frame.image.rgb.data());
    cv::cvtColor(bgr, target, cv::COLOR_BGR2RGB);
    return frame;
  }

  int64_t frames_read() const override { return decoded_; }

  std::string early_end() const override {
    if (has_announced_count() || reached_announced_time()) return "";
    return "ends early: " + decoded_of(decoded_, announced_);
  }

  std::string remark() const override {
    if (has_announced_count() || !reached_announced_time()) return "";
    return decoded_of(decoded_, announced_) +
           " that its header tells of: its frame rate varies, or some are damaged";
  }

 private:
  bool has_announced_count() const {
    return decoded_ >= limit_ || double(decoded_) >= kWholeShare * double(announced_);
  }
  // The last frame is shown as long as the others on average.
  bool reached_announced_time() const {
    if (decoded_ < 2 || announced_ms_ <= 0) return false;
    const double shown_ms = (last_ms_ - first_ms_) * double(decoded_) / double(decoded_ - 1);
    return shown_ms >= kWholeShare * announced_ms_;
  }

  const fs::path video_;
  const int64_t limit_;
  cv::VideoCapture capture_;
  int64_t announced_ = 0, decoded_ = 0;
  double announced_ms_ = 0, first_ms_ = 0, last_ms_ = 0;
  cv::Size size_;
};

class PictureFrames : public FilmFrames {
 public:
  explicit PictureFrames(const FilmPlace& place) : place_(place) {}

  int64_t announced_frames() const override {
    return std::min(static_cast<int64_t>(place_.pictures.size()), limit_of(place_));
  }

  std::optional<FilmFrame> next() override {
    if (read_ >= announced_frames()) return std::nullopt;
    if (read_ == 0) size_ = size_of_sequence();
    FilmFrame frame = frame_at(read_++);
    if (frame.fault.empty() && size_of(frame.image) != size_) {
      frame.fault_object = place_.pictures[static_cast<size_t>(read_) - 1].string();
      frame.fault =
          "has " + text_of(size_of(frame.image)) + " pixels, its sequence " + text_of(size_);
    }
    return frame;
  }

  int64_t frames_read() const override { return read_; }

  std::string early_end() const override {
    const auto there = static_cast<int64_t>(place_.pictures.size());
    if (there >= place_.promised_frames || there >= limit_of(place_)) return "";
    return "ends early: has " + std::to_string(there) + " of " +
           std::to_string(place_.promised_frames) + " frames";
  }

  std::string remark() const override { return ""; }

 private:
  static cv::Size size_of(const Image& image) { return {image.width, image.height}; }
  static std::string text_of(const cv::Size& size) {
    return std::to_string(size.width) + "x" + std::to_string(size.height);
  }

  // Of the first two in a row that agree, so that one odd picture does not make all others odd.
  cv::Size size_of_sequence() const {
    cv::Size first, before;
    for (int64_t index = 0; index < announced_frames(); ++index) {
      const FilmFrame frame = frame_at(index);
      if (!frame.fault.empty()) continue;
      const cv::Size size = size_of(frame.image);
      if (size == before) return size;
      if (first.empty()) first = size;
      before = size;
    }
    return first;
  }

  FilmFrame frame_at(int64_t index) const {
    const fs::path& picture = place_.pictures[static_cast<size_t>(index)];
    FilmFrame frame;
    if (picture.empty()) {
      frame.fault_object = folder() + " frame " + std::to_string(index + 1);
      frame.fault = "has no picture";
      return frame;
    }
    try {
      frame.image = read_picture(picture);
    } catch (const InputError& failure) {
      frame.fault_object = picture.string();
      frame.fault = failure.problem();
    }
    return frame;
  }

  std::string folder() const {
    const auto first = std::find_if(place_.pictures.begin(), place_.pictures.end(),
                                    [](const fs::path& picture) { return !picture.empty(); });
    return first == place_.pictures.end() ? "" : first->parent_path().string();
  }

  const FilmPlace place_;
  int64_t read_ = 0;
  cv::Size size_;  // of the sequence
};

}  // namespace

std::unique_ptr<FilmFrames> open_film_frames(const FilmPlace& place) {
  if (place.pictures.empty()) return std::make_unique<VideoFrames>(place);
  return std::make_unique<PictureFrames>(place);
}

bool is_video_name(const std::string& name) {
  static const std::array<const char*, 14> endings = {".avi",  ".mp4", ".mkv",  ".mov", ".m4v",
                                                      ".webm", ".mpg", ".mpeg", ".ts",  ".mts",
                                                      ".wmv",  ".flv", ".ogv",  ".3gp"};
  std::string ending = fs::path(name).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return !name.empty() && name.front() != '.' &&
         std::find(endings.begin(), endings.end(), ending) != endings.end();
}

}  // namespace muster::datastore
