// A posed person as overlapping parts that can be painted from far to near.
#pragma once

#include <vector>

#include "datastore/synthetic/drawing/body_pose.h"

namespace muster::datastore {

enum class Shape { kLimb, kTrunk, kHead };
enum class Material { kUpper, kSleeve, kLower, kSkin, kHair, kHead, kShoe, kBag };

// What a pixel of the picture shows; the ground truth of the joints' visibility.
enum class Shown : uint8_t {
  kScene,
  kHead,
  kTrunk,
  kRightArm,
  kLeftArm,
  kRightLeg,
  kLeftLeg,
  kOther
};

// `from` is the upper or inner end. Radii are half widths as seen from the camera, pixels.
struct FigurePart {
  Shape shape = Shape::kLimb;
  Material material = Material::kSkin;
  Shown shown = Shown::kTrunk;
  cv::Point2f from, to;
  float from_radius = 0, to_radius = 0;
  float nearness = 0;
};

// Sorted from far to near.
std::vector<FigurePart> figure_parts(const Appearance& person, const BodyPose& pose,
                                     const View& view);

}  // namespace muster::datastore
