#include "models/pose_network/heat_maps.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::models {
namespace {

// exp(-(i - centre)^2 / (2 deviation^2)) for i = 0 .. pixels - 1, along a new last axis.
at::Tensor bell_curve(const at::Tensor& centre, int64_t pixels, double deviation) {
  const at::Tensor steps = at::arange(pixels, centre.options()) - centre.unsqueeze(-1);
  return (steps.square() * (-0.5 / (deviation * deviation))).exp();
}

// How far the top lies from `index` along an axis whose neighbours are `stride` apart in `flat`.
at::Tensor peak_refinement(const at::Tensor& flat, const at::Tensor& index, const at::Tensor& peak,
                           const at::Tensor& inside, int64_t stride) {
  const at::Tensor step = inside.to(at::kLong) * stride;  // at the border: both are the peak
  const auto value_at = [&](const at::Tensor& place) {
    return flat.gather(-1, place.unsqueeze(-1)).squeeze(-1);
  };
  const at::Tensor before = value_at(index - step), after = value_at(index + step);
  const at::Tensor curvature = before - 2 * peak + after;
  const at::Tensor flat_there = curvature.ge(0);
  return ((before - after) / (2 * curvature.masked_fill(flat_there, 1)))
      .masked_fill(flat_there, 0)
      .clamp(-0.5, 0.5);
}

}  // namespace

at::Tensor gaussian_maps(const at::Tensor& joints, int64_t height, int64_t width,
                         double deviation) {
  MUSTER_REQUIRE(joints.size(-1), ==, 3);
  MUSTER_REQUIRE(deviation, >, 0);
  return bell_curve(joints.select(-1, 1), height, deviation).unsqueeze(-1) *
         bell_curve(joints.select(-1, 0), width, deviation).unsqueeze(-2);
}

at::Tensor decoded_joints(const at::Tensor& maps) {
  const at::NoGradGuard no_gradients;
  const int64_t height = maps.size(-2), width = maps.size(-1);
  const at::Tensor flat = maps.flatten(-2);
  const auto [peak, index] = flat.max(-1);
  const at::Tensor x = index.remainder(width), y = (index - x).div(width, "floor");
  const at::Tensor inside_x = x.gt(0) & x.lt(width - 1), inside_y = y.gt(0) & y.lt(height - 1);
  return at::stack({x + peak_refinement(flat, index, peak, inside_x, 1),
                    y + peak_refinement(flat, index, peak, inside_y, width), peak.clamp(0, 1)},
                   -1);
}

at::Tensor enlarged_place(const at::Tensor& place, double pixels) {
  return (place + 0.5) * pixels - 0.5;
}

at::Tensor shrunken_place(const at::Tensor& place, double pixels) {
  return (place + 0.5) / pixels - 0.5;
}

}  // namespace muster::models
