// Euclidean distances as ranking means them: the same bits wherever and in whatever company a pair
// is computed. No tensors.
#pragma once

#include <cstdint>

namespace muster::trainer {

// |a - b|^2, differences and sum in double, in a fixed order.
double squared_distance(const float* a, const float* b, int64_t features);

// |a|^2 likewise.
double squared_length(const float* a, int64_t features);

// Sum over variants of |a_v - b_v|; `a` and `b` are [variants, features].
double distance_over_variants(const float* a, const float* b, int64_t variants, int64_t features);

// Each of `rows` vectors to unit length: value / max(norm, 1e-12), the norm in double, rounded
// once.
void make_unit_length(float* vectors, int64_t rows, int64_t features);

}  // namespace muster::trainer
