#include "datastore/synthetic/film_renderer.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/film_frames.h"
#include "datastore/synthetic/drawing/camera_effects.h"
#include "datastore/synthetic/drawing/figure_painter.h"
#include "datastore/synthetic/drawing/street_scene.h"
#include "datastore/synthetic/film_lists.h"
#include "datastore/synthetic/random_streams.h"
#include "datastore/synthetic/tracklet_files.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr int kOversampling = 2;
constexpr double kTurn = 6.283185307179586;
constexpr double kFramesPerSecond = 25;
// Of the lanes, as shares of the picture's height: where the feet stand, how tall people are.
constexpr double kGround[kFilmLanes] = {0.97, 0.70}, kHeight[kFilmLanes] = {0.46, 0.36};

// One person on the way through the picture; lengths in pixels of the large canvas.
class Walker {
 public:
  Walker(const WorldTraits& world, uint64_t seed, int camera, const FilmWalk& walk, cv::Size size)
      : walk_(walk), person_(draw_member(seed, walk.person_key)) {
    auto random =
        random_stream(seed, walk.person_key, static_cast<uint64_t>(camera), 0, Purpose::kTracklet);
    const double direction = random.chance(0.5) ? 1 : -1;
    view_.heading = direction * (kTurn / 4 + world.heading_spread * random.normal());
    view_.pitch = random.uniform(0.05, 0.2);
    view_.pixels_per_unit = size.height * kHeight[walk.lane] * random.uniform(0.95, 1.05);
    view_.ground.y = size.height * kGround[walk.lane];
    phase_ = random.uniform(0, kTurn);
    const double natural = 3.2 * std::sin(person_.gait.stride_radians) * person_.leg_share *
                           person_.gait.cycles_per_frame * view_.pixels_per_unit;
    // Those who stay long walk slowly; nobody leaves the picture by more than half a box.
    const double span = 0.92 * size.width, rim = 0.04 * size.width;
    const double distance = std::min(span, natural * walk.frames);
    pixels_per_frame_ = direction * distance / walk.frames;
    const double start = rim + random.uniform(0, 1) * (span - distance);
    start_x_ = direction > 0 ? start : size.width - start;
  }

  bool is_there(int frame) const {
    return frame >= walk_.first_frame && frame < walk_.first_frame + walk_.frames;
  }
  int lane() const { return walk_.lane; }

  void paint(int frame, const Daylight& light, Canvas& canvas) const {
    const int step = frame - walk_.first_frame;
    View view = view_;
    view.ground.x = ground_x(frame);
    const BodyPose pose =
        walking_pose(person_, phase_ + kTurn * person_.gait.cycles_per_frame * step);
    paint_figure(person_, pose, view, light, false, canvas);
  }

  // Around the body and its stride: twice as high as wide, as people box who walk by.
  cv::Rect2d box(int frame) const {
    const double rim = 0.05 * view_.pixels_per_unit;
    const double height = person_.height * view_.pixels_per_unit + 2 * rim;
    return {ground_x(frame) - 0.25 * height, view_.ground.y + rim - height, 0.5 * height, height};
  }

 private:
  double ground_x(int frame) const {
    return start_x_ + (frame - walk_.first_frame) * pixels_per_frame_;
  }

  const FilmWalk walk_;
  const Appearance person_;
  View view_;
  double phase_ = 0, start_x_ = 0, pixels_per_frame_ = 0;
};

Daylight daylight_of(common::KeyedRandom random) {
  const double sun = random.uniform(0, kTurn);
  Daylight light;
  light.direction =
      cv::Point2f(static_cast<float>(std::cos(sun)), static_cast<float>(std::sin(sun)));
  light.contrast = static_cast<float>(random.uniform(0.1, 0.5));
  return light;
}

class FilmRenderer {
 public:
  FilmRenderer(const WorldTraits& world, uint64_t seed, const FilmPlan& plan)
      : seed_(seed),
        camera_(static_cast<uint64_t>(plan.camera)),
        size_(world.frame_width, world.frame_height),
        light_(daylight_of(stream(1, Purpose::kTracklet))),
        scene_(world, plan.camera, stream(0, Purpose::kScene), stream(1, Purpose::kScene),
               size_ * kOversampling),
        effects_(world, plan.camera, stream(0, Purpose::kCamera), stream(1, Purpose::kEffects)) {
    for (const FilmWalk& walk : plan.walks) {
      walkers_.emplace_back(world, seed, plan.camera, walk, size_ * kOversampling);
    }
    canvas_.picture.create(size_ * kOversampling, CV_8UC3);
    canvas_.shown.create(size_ * kOversampling, CV_8UC1);
  }

  // The picture, valid until the next call; appends its boxes by walk.
  const cv::Mat& render(int frame, std::vector<WalkBox>& boxes) {
    scene_.copy_window(0, 0.1 * canvas_.picture.rows, canvas_.picture);
    for (int lane = kFilmLanes - 1; lane >= 0; --lane) {
      for (const Walker& walker : walkers_) {
        if (walker.lane() == lane && walker.is_there(frame)) walker.paint(frame, light_, canvas_);
      }
    }
    for (size_t i = 0; i < walkers_.size(); ++i) {
      if (!walkers_[i].is_there(frame)) continue;
      const cv::Rect2d large = walkers_[i].box(frame);
      boxes.push_back({frame,
                       i,
                       {large.x / kOversampling, large.y / kOversampling,
                        large.width / kOversampling, large.height / kOversampling}});
    }
    cv::resize(canvas_.picture, picture_, size_, 0, 0, cv::INTER_AREA);
    effects_.apply(stream(2 + static_cast<uint64_t>(frame), Purpose::kNoise), picture_);
    return picture_;
  }

 private:
  // Person 0 is nobody: what belongs to the camera.
  common::KeyedRandom stream(uint64_t moment, Purpose purpose) const {
    return random_stream(seed_, 0, camera_, moment, purpose);
  }

  const uint64_t seed_, camera_;
  const cv::Size size_;
  const Daylight light_;
  const StreetScene scene_;
  const CameraEffects effects_;
  std::vector<Walker> walkers_;
  Canvas canvas_;
  cv::Mat picture_;
};

class VideoFile {
 public:
  VideoFile(const fs::path& path, cv::Size size)
      : path_(path),
        writer_(path.string(), cv::CAP_FFMPEG, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'),
                kFramesPerSecond, size) {
    if (writer_.isOpened()) return;
    throw common::SystemError(path.string(), "cannot be written",
                              "check the disk, and that OpenCV was built with FFmpeg");
  }
  void write(const cv::Mat& picture) {
    writer_.write(picture);
    ++frames_;
  }
  // The encoder does not tell of a full disk, so the file is read back.
  void finish() {
    writer_.release();
    int64_t whole = 0;
    try {
      const std::unique_ptr<FilmFrames> frames = open_film_frames({path_, {}, 0});
      while (frames->next()) ++whole;
    } catch (const common::InputError&) {
    }
    if (whole == frames_) return;
    throw common::SystemError(path_.string(), "cannot be written whole",
                              common::remedy_for(ENOSPC));
  }

 private:
  const fs::path path_;
  cv::VideoWriter writer_;
  int64_t frames_ = 0;
};

}  // namespace

std::vector<WalkBox> render_film(const WorldTraits& world, uint64_t seed, const FilmPlan& plan,
                                 const fs::path& root, const std::function<bool()>& frame_done) {
  FilmRenderer renderer(world, seed, plan);
  const fs::path place = root / film_place(world, plan);
  common::make_directories(plan.is_video ? place.parent_path() : place);
  std::unique_ptr<VideoFile> video;
  if (plan.is_video) {
    video = std::make_unique<VideoFile>(place, cv::Size(world.frame_width, world.frame_height));
  }
  std::vector<WalkBox> boxes;
  for (int frame = 0; frame < plan.frames; ++frame) {
    const cv::Mat& picture = renderer.render(frame, boxes);
    if (video) {
      video->write(picture);
    } else {
      write_picture(place / numbered("%06d.jpg", frame + 1), picture);
    }
    if (!frame_done()) return boxes;
  }
  if (video) video->finish();
  return boxes;
}

void silence_video_encoder() { ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0); }

}  // namespace muster::datastore
