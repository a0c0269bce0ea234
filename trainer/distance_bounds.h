// What a matrix product in float says for certain of a distance: bounds from both sides. No
// tensors.
//
// |x - y|^2 = |x|^2 + |y|^2 - 2 x.y loses small distances, but by how much is known: a product of
// length K in any order, with or without fused multiply-adds, is off by at most
// K u / (1 - K u) * sum |x_i| |y_i| <= K u / (1 - K u) * (|x|^2 + |y|^2) / 2, u = 2^-24 (Higham,
// Accuracy and Stability of Numerical Algorithms, 3.1).
#pragma once

#include <cstdint>

namespace muster::trainer {

struct DistanceBound {
  float share = 0;     // of |x|^2 + |y|^2
  float absolute = 0;  // what underflow can lose
};

// Of vectors of `features` numbers from which one vector has been subtracted, rounded to float.
// Covers the rounding of that too, of the squares, and of bounds_of_row().
DistanceBound distance_bound(int64_t features);

// Least and greatest value that |x - y|^2 can have, from x.y `products` [count] of one x with
// `count` y. `squares` are |y|^2 [count]. Where numbers leave the range of float: -infinity,
// infinity.
void bounds_of_row(const DistanceBound& bound, float square, const float* squares,
                   const float* products, int64_t count, float* lower, float* upper);

// The same for the distance, not its square, added to what is in `lower` and `upper`.
void add_distance_bounds_of_row(const DistanceBound& bound, float square, const float* squares,
                                const float* products, int64_t count, float* lower, float* upper);

// How many of `upper` [count] are below `low`, and how many of `lower` are not above `high`: what
// is in the second number alone is undecided. NaN counts in neither.
struct BoundCount {
  int64_t surely_nearer = 0, perhaps_nearer = 0;
};
BoundCount count_bounds(const float* lower, const float* upper, int64_t count, float low,
                        float high);

}  // namespace muster::trainer
