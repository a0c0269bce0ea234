#include "datastore/synthetic/drawing/camera_effects.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace muster::datastore {
namespace {

struct CameraCharacter {
  cv::Vec3d log_cast;  // blue, green, red
  double log_exposure, log_gamma;
};

// Neighbouring cameras lie far apart on purpose.
constexpr int kCharacters = 6;
const CameraCharacter& character_of(int camera) {
  static const std::array<CameraCharacter, kCharacters> characters = {{
      {{-0.42, 0.02, 0.28}, 0.05, -0.15},
      {{0.36, 0.00, -0.38}, -0.10, 0.05},
      {{-0.10, 0.25, -0.15}, -0.05, 0.30},
      {{0.10, -0.25, 0.15}, 0.20, -0.20},
      {{-0.30, 0.10, 0.10}, -0.35, 0.05},
      {{0.25, 0.12, -0.25}, 0.25, 0.10},
  }};
  return characters[static_cast<size_t>(camera - 1) % kCharacters];
}

}  // namespace

CameraEffects::CameraEffects(const WorldTraits& world, int camera, common::KeyedRandom place,
                             common::KeyedRandom moment) {
  const CameraCharacter& character = character_of(camera);
  const double apart = world.camera_change, change = world.tracklet_change;
  cv::Vec3d cast;
  for (int channel = 0; channel < 3; ++channel) {
    cast[channel] = std::exp(apart * (character.log_cast[channel] + 0.06 * place.normal()) +
                             0.16 * change * moment.normal());
  }
  const double exposure = std::exp(apart * (character.log_exposure + 0.06 * place.normal()) +
                                   0.28 * change * moment.normal());
  const double gamma = std::exp(apart * (character.log_gamma + 0.05 * place.normal()) +
                                0.14 * change * moment.normal());
  const double haze = std::max(0.0, 0.03 + 0.05 * change * moment.normal());
  fill_tables(exposure, cast, gamma, haze);
  gradient_across_ = 0.35 * change * moment.normal();
  gradient_down_ = 0.25 * apart * place.normal() + 0.25 * change * moment.normal();
  blur_sigma_pixels_ = std::clamp(0.45 + 0.35 * place.uniform() + 0.2 * moment.normal(), 0.3, 1.3);
  noise_sigma_ = 2 + 3 * place.uniform();
}

void CameraEffects::fill_tables(double exposure, const cv::Vec3d& cast, double gamma, double haze) {
  for (int channel = 0; channel < 3; ++channel) {
    for (int level = 0; level < 256; ++level) {
      const double light = exposure * cast[channel] * level / 255.0;
      const double toned = std::pow(light, gamma);
      // A soft shoulder keeps some difference between bright things.
      const double exposed = toned < 0.8 ? toned : 0.8 + 0.25 * (1 - std::exp(-4 * (toned - 0.8)));
      tone_[channel][level] = static_cast<float>(255 * (haze + (1 - haze) * exposed));
    }
  }
}

void CameraEffects::apply(common::KeyedRandom noise, cv::Mat& picture) const {
  const double sigma = blur_sigma_pixels_ * picture.rows / 128.0;
  cv::GaussianBlur(picture, picture, cv::Size(), sigma);
  // The sum of three 7-bit numbers is near enough to normal: mean 190.5, deviation 64.
  const float per_unit = static_cast<float>(noise_sigma_ / 64);
  for (int y = 0; y < picture.rows; ++y) {
    uint8_t* row = picture.ptr<uint8_t>(y);
    const double down = gradient_down_ * (static_cast<double>(y) / picture.rows - 0.5);
    for (int x = 0; x < picture.cols; ++x, row += 3) {
      const double across = gradient_across_ * (static_cast<double>(x) / picture.cols - 0.5);
      const float light = std::max(0.3f, static_cast<float>(1 + down + across));
      uint64_t bits = noise.next();
      for (int channel = 0; channel < 3; ++channel, bits >>= 21) {
        const int sum = static_cast<int>((bits & 127) + ((bits >> 7) & 127) + ((bits >> 14) & 127));
        const float grain = (static_cast<float>(sum) - 190.5f) * per_unit;
        row[channel] = cv::saturate_cast<uint8_t>(light * tone_[channel][row[channel]] + grain);
      }
    }
  }
}

}  // namespace muster::datastore
