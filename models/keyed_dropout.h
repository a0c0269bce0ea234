// Dropout whose mask is a function of (clip key, layer, position): it does not depend on which rank
// holds the clip, nor on the clips beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace muster::models {

// Zeroes each element with `probability` and scales the rest by 1 / (1 - probability). `values` is
// [clips, ...] with as many clips as keys; `layer` tells uses within one network apart.
// Differentiable.
at::Tensor keyed_dropout(const at::Tensor& values, double probability,
                         const std::vector<uint64_t>& clip_keys, uint64_t layer);

// The factors of one clip: `count` values, 0 or 1 / (1 - probability).
void fill_dropout_mask(float* mask, int64_t count, double probability, uint64_t clip_key,
                       uint64_t layer);

}  // namespace muster::models
