// The pose network as its specification says it, in plain loops over doubles, outside training.
#pragma once

#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// out(o, y, x) = sum over the places (v, u) of `in` and k of in(k, v, u) W(k, o, y + padding -
// stride v, x + padding - stride u), where the kernel reaches; weights NAME.weight, no bias.
Maps transposed_convolution(const Maps& in, const Weights& weights, const std::string& name,
                            int64_t kernel, int64_t stride, int64_t padding);

// BN-Inception to block 4b, then two deconvolutions and 1x1: the heat-maps of one image.
Maps heat_maps(const Maps& image, const Weights& weights);

}  // namespace muster::models::naive
