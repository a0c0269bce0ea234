// What stays with a person from camera to camera: proportions, clothes, hair, bags and gait.
#pragma once

#include <opencv2/core.hpp>

#include "common/keyed_random.h"

namespace muster::datastore {

using Colour = cv::Vec3f;  // blue, green, red; 0 to 1, as light reflected under white light

enum class Pattern {
  kPlain,
  kHorizontalStripes,
  kVerticalStripes,
  kChecks,
  kTwoTone,
  kLogo,
  kOpenFront,
};
enum class LowerGarment { kTrousers, kShorts, kSkirt };
enum class Carried { kNothing, kBackpack, kShoulderBag, kHandBag };

struct Garment {
  Colour base, accent;
  Pattern pattern = Pattern::kPlain;
  float repeats = 3;  // of the pattern over the garment's length
};

struct Gait {
  double cycles_per_frame = 0.04;
  double stride_radians = 0.45, arm_swing_radians = 0.4;
  double bob = 0.01;  // share of the body's height
};

// Lengths are shares of an average person's height.
struct Appearance {
  double height = 1, build = 1, leg_share = 0.5, shoulder_share = 0.115;
  Colour skin, hair, shoes, bag;
  double hair_length = 0;  // 0 cropped to 1 below the shoulders
  bool long_sleeves = true, accent_sleeves = false;
  Garment upper, lower;
  LowerGarment lower_kind = LowerGarment::kTrousers;
  double coat_length = 0;  // how far the upper garment hangs below the hips
  Carried carried = Carried::kNothing;
  bool carries_on_left = false;
  Gait gait;
};

Appearance draw_appearance(common::KeyedRandom random);

// The same for person number `person` of a dataset: colours of upper and lower garments are dealt
// from one shuffled deck of all pairs, so that people repeat a pair only after a hundred others.
Appearance draw_member(uint64_t seed, uint64_t person);

}  // namespace muster::datastore
