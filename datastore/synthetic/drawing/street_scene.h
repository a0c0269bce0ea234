// What stands behind the people: a place per camera, other things in it per tracklet.
#pragma once

#include <opencv2/core.hpp>

#include "common/keyed_random.h"
#include "datastore/synthetic/drawing/appearance.h"
#include "datastore/synthetic/world_traits.h"

namespace muster::datastore {

class StreetScene {
 public:
  // `place` decides what all tracklets of the camera share, `moment` the rest. `size` is the
  // window's, pixels.
  StreetScene(const WorldTraits& world, int camera, common::KeyedRandom place,
              common::KeyedRandom moment, cv::Size size);

  // Fills `window` with the part of the scene that begins `scroll` pixels to the right and `rise`
  // pixels down; the scene repeats.
  void copy_window(double scroll, double rise, cv::Mat& window) const;

 private:
  void paint_surface(int style, int top, int bottom, const Colour& base,
                     common::KeyedRandom& place);
  void paint_wall(common::KeyedRandom& place);
  void paint_floor(common::KeyedRandom& place);
  void paint_clutter(common::KeyedRandom& moment);
  void add_grain(common::KeyedRandom& moment);
  Colour scene_colour(common::KeyedRandom& random) const;
  Colour base_colour(common::KeyedRandom& place, common::KeyedRandom& moment) const;

  const WorldTraits& world_;
  int horizon_ = 0;  // row where wall meets floor
  cv::Mat panorama_;
};

}  // namespace muster::datastore
