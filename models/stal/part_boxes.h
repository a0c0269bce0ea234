// Where the body parts of STAL (Song et al. 2018, Figure 3c, equation 7) are in a frame. Boxes are
// x0, y0, x1, y1 in pixels of the network's input.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

constexpr int64_t kBodyParts = 6;  // head, torso, right arm, left arm, left leg, right leg
constexpr int64_t kBodyJoints = 14;

// [6, 4] float64: a walking person's parts in a crop of 64x128 pixels, scaled to height x width.
// The right side is the picture's left one, as of somebody who comes towards the camera.
at::Tensor fixed_part_boxes(int64_t height, int64_t width);

// [clips, frames, 6, 4] of joints [clips, frames, 14, 3] (x, y, confidence): least and largest
// coordinates over a part's joints, which are
//   head 1 2 3 6, torso 2 3 6 9 12, right arm 3 4 5, left arm 6 7 8, left leg 12 13 14,
//   right leg 9 10 11
// Joints of confidence 0 (outside the picture, or not found) do not count; a part without any other
// joint has its fixed box. No gradient.
at::Tensor boxes_of_joints(const at::Tensor& joints, int64_t height, int64_t width);

}  // namespace muster::models
