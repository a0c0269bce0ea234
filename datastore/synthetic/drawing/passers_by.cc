#include "datastore/synthetic/drawing/passers_by.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace muster::datastore {

PassersBy::PassersBy(const WorldTraits& world, common::KeyedRandom random, cv::Size size,
                     int frames) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (random.chance(world.crowd_chance)) {
      walkers_.push_back(draw_walker(random, false, size, frames));
    }
    if (!random.chance(world.occluder_chance)) continue;
    if (random.chance(0.5)) {
      walkers_.push_back(draw_walker(random, true, size, frames));
    } else {
      obstacles_.push_back(draw_obstacle(random, size, frames));
    }
  }
}

PassersBy::Walker PassersBy::draw_walker(common::KeyedRandom& random, bool before, cv::Size size,
                                         int frames) const {
  Walker walker;
  walker.before = before;
  walker.person = draw_appearance(common::KeyedRandom(random.next()));
  const double direction = random.chance(0.5) ? 1 : -1;
  walker.view.heading = direction * random.uniform(0.3, 2.8);
  walker.view.pixels_per_unit =
      size.height * (before ? random.uniform(0.9, 1.2) : random.uniform(0.45, 0.8));
  walker.view.ground.y =
      size.height * (before ? random.uniform(1.0, 1.2) : random.uniform(0.75, 0.9));
  // Slow enough to stay for a while, somewhere off the middle half way through.
  walker.pixels_per_frame = direction * size.width * random.uniform(0.2, 1.2) / frames;
  const double middle = 0.5 + (random.chance(0.5) ? 1 : -1) * random.uniform(0.15, 0.6);
  walker.start_x = size.width * middle - 0.5 * frames * walker.pixels_per_frame;
  walker.phase = random.uniform(0, 6.283);
  return walker;
}

PassersBy::Obstacle PassersBy::draw_obstacle(common::KeyedRandom& random, cv::Size size,
                                             int frames) const {
  Obstacle obstacle;
  const bool low = random.chance(0.4);
  const double wide = low ? random.uniform(0.3, 0.8) : random.uniform(0.08, 0.22);
  const double top = low ? random.uniform(0.65, 0.85) : 0;
  obstacle.area = {0, top * size.height, wide * size.width, (1 - top) * size.height};
  obstacle.pixels_per_frame =
      (random.chance(0.5) ? 1 : -1) * size.width * random.uniform(0.3, 1.6) / frames;
  obstacle.start_x = size.width * random.uniform(0.1, 0.9) - 0.5 * obstacle.area.width -
                     0.5 * frames * obstacle.pixels_per_frame;
  for (int channel = 0; channel < 3; ++channel) {
    obstacle.colour[channel] = static_cast<float>(random.uniform(0.1, 0.8));
  }
  return obstacle;
}

void PassersBy::paint_walkers(bool before, int frame, const Daylight& light, Canvas& canvas) const {
  for (const Walker& walker : walkers_) {
    if (walker.before != before) continue;
    View view = walker.view;
    view.ground.x = walker.start_x + frame * walker.pixels_per_frame;
    const double turn = 6.283185307179586 * walker.person.gait.cycles_per_frame;
    const BodyPose pose = walking_pose(walker.person, walker.phase + frame * turn);
    paint_figure(walker.person, pose, view, light, true, canvas);
  }
}

void PassersBy::paint_behind(int frame, const Daylight& light, Canvas& canvas) const {
  paint_walkers(false, frame, light, canvas);
}

void PassersBy::paint_before(int frame, const Daylight& light, Canvas& canvas) const {
  for (const Obstacle& obstacle : obstacles_) {
    cv::Rect area = obstacle.area;
    area.x = static_cast<int>(std::lround(obstacle.start_x + frame * obstacle.pixels_per_frame));
    area &= cv::Rect(cv::Point(), canvas.picture.size());
    if (area.empty()) continue;
    canvas.picture(area).setTo(
        cv::Scalar(255 * obstacle.colour[0], 255 * obstacle.colour[1], 255 * obstacle.colour[2]));
    canvas.shown(area).setTo(static_cast<uint8_t>(Shown::kOther));
  }
  paint_walkers(true, frame, light, canvas);
}

}  // namespace muster::datastore
