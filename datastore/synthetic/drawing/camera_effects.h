// What a camera makes of light: exposure, colour cast, gamma, uneven light, blur and noise.
#pragma once

#include <array>
#include <opencv2/core.hpp>

#include "common/keyed_random.h"
#include "datastore/synthetic/world_traits.h"

namespace muster::datastore {

class CameraEffects {
 public:
  // `camera` is 1-based; `place` decides what all its tracklets share, `moment` this tracklet's
  // light.
  CameraEffects(const WorldTraits& world, int camera, common::KeyedRandom place,
                common::KeyedRandom moment);

  // Changes `picture` (CV_8UC3, frame size) in place.
  void apply(common::KeyedRandom noise, cv::Mat& picture) const;

 private:
  void fill_tables(double exposure, const cv::Vec3d& cast, double gamma, double haze);

  std::array<std::array<float, 256>, 3> tone_;  // per channel, byte in to 0..255 out
  double gradient_across_ = 0, gradient_down_ = 0;
  double blur_sigma_pixels_ = 0;  // at 128 rows
  double noise_sigma_ = 0;        // grey levels
};

}  // namespace muster::datastore
