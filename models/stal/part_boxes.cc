#include "models/stal/part_boxes.h"

#include <ATen/ATen.h>

#include <limits>
#include <vector>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr double kLayoutHeight = 128, kLayoutWidth = 64;
// Part by part x0, y0, x1, y1.
constexpr double kLayout[kBodyParts][4] = {{23, 4, 43, 24},  {20, 24, 46, 70},  {6, 24, 33, 70},
                                           {33, 24, 59, 70}, {33, 71, 59, 124}, {6, 71, 32, 124}};

// From 0.
const std::vector<std::vector<int64_t>>& joints_of_parts() {
  static const std::vector<std::vector<int64_t>> joints = {
      {0, 1, 2, 5}, {1, 2, 5, 8, 11}, {2, 3, 4}, {5, 6, 7}, {11, 12, 13}, {8, 9, 10}};
  return joints;
}

}  // namespace

at::Tensor fixed_part_boxes(int64_t height, int64_t width) {
  const double x = static_cast<double>(width) / kLayoutWidth;
  const double y = static_cast<double>(height) / kLayoutHeight;
  at::Tensor boxes = at::empty({kBodyParts, 4}, at::TensorOptions(at::kDouble));
  auto* value = boxes.data_ptr<double>();
  for (const auto& box : kLayout) {
    for (int i = 0; i < 4; ++i) *value++ = box[i] * (i % 2 == 0 ? x : y);
  }
  return boxes;
}

at::Tensor boxes_of_joints(const at::Tensor& joints, int64_t height, int64_t width) {
  MUSTER_REQUIRE(joints.dim(), ==, 4);
  MUSTER_REQUIRE(joints.size(2), ==, kBodyJoints);
  MUSTER_REQUIRE(joints.size(3), ==, 3);
  const at::NoGradGuard constants;
  const at::Tensor places = joints.narrow(3, 0, 2);
  const at::Tensor unseen = joints.narrow(3, 2, 1).le(0);
  constexpr double kFar = std::numeric_limits<double>::infinity();
  // Joints that do not count are far beyond every other.
  const at::Tensor least = places.masked_fill(unseen, kFar);
  const at::Tensor largest = places.masked_fill(unseen, -kFar);
  std::vector<at::Tensor> boxes;
  for (const std::vector<int64_t>& group : joints_of_parts()) {
    const at::Tensor index = at::tensor(group, at::TensorOptions(at::kLong)).to(joints.device());
    boxes.push_back(
        at::cat({least.index_select(2, index).amin(2), largest.index_select(2, index).amax(2)}, 2));
  }
  const at::Tensor found = at::stack(boxes, 2);
  return at::where(found.isinf().any(3, true), fixed_part_boxes(height, width).to(found.options()),
                   found);
}

}  // namespace muster::models
