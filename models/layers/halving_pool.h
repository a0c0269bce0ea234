// The largest of each square of 2x2 pixels, faster than at::max_pool2d on a CPU.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// [images, channels, height, width] -> [images, channels, height / 2, width / 2]; an odd last row
// or column is left out. What at::max_pool2d(maps, {2, 2}) gives, bit by bit, as is its gradient:
// of equal pixels the first gets it, row by row, and NaN is larger than all else. Its own loops run
// for float and double in a CPU's memory, where ATen's take five times as long and a fifth of a
// step of CNN-RNN; elsewhere it is ATen's. Differentiable once.
at::Tensor halving_pool(const at::Tensor& maps);

}  // namespace muster::models
