// Between joints and heat-maps. Places are in pixels of the heat-map: (0, 0) is the centre of its
// upper left one.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// G(y, x) = exp(-((x - x_j)^2 + (y - y_j)^2) / (2 deviation^2)): 1 at the joint, cut off at the
// border. joints [..., 3] x, y, confidence, which is not looked at -> [..., height, width].
// deviation > 0.
at::Tensor gaussian_maps(const at::Tensor& joints, int64_t height, int64_t width, double deviation);

// maps [..., height, width] -> [..., 3]: x, y of the largest value (the first of equal ones), moved
// along each axis to the top of the parabola through it and its two neighbours, by at most half a
// pixel and not at the border; then that value, cut to [0, 1]. Flat maps are not moved. NaN stays.
// No gradient. Any number of maps.
at::Tensor decoded_joints(const at::Tensor& maps);

// Where that place is on a side that has `pixels` for one of the heat-map's: whole numbers are
// centres of pixels, so p -> pixels (p + 1/2) - 1/2; and back.
at::Tensor enlarged_place(const at::Tensor& place, double pixels);
at::Tensor shrunken_place(const at::Tensor& place, double pixels);

}  // namespace muster::models
