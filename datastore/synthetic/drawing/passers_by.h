// Other people and street furniture that cross a tracklet's frames, before and behind the person.
#pragma once

#include <vector>

#include "datastore/synthetic/drawing/figure_painter.h"
#include "datastore/synthetic/world_traits.h"

namespace muster::datastore {

class PassersBy {
 public:
  // `size` is the picture's, `frames` the tracklet's length.
  PassersBy(const WorldTraits& world, common::KeyedRandom random, cv::Size size, int frames);

  // What is farther away than the followed person, then what is nearer.
  void paint_behind(int frame, const Daylight& light, Canvas& canvas) const;
  void paint_before(int frame, const Daylight& light, Canvas& canvas) const;

 private:
  struct Walker {
    Appearance person;
    View view;
    double start_x = 0, pixels_per_frame = 0, phase = 0;
    bool before = false;
  };
  struct Obstacle {  // a pole, a sign or a low wall
    double start_x = 0, pixels_per_frame = 0;
    cv::Rect2d area;
    Colour colour;
  };

  Walker draw_walker(common::KeyedRandom& random, bool before, cv::Size size, int frames) const;
  Obstacle draw_obstacle(common::KeyedRandom& random, cv::Size size, int frames) const;
  void paint_walkers(bool before, int frame, const Daylight& light, Canvas& canvas) const;

  std::vector<Walker> walkers_;
  std::vector<Obstacle> obstacles_;
};

}  // namespace muster::datastore
