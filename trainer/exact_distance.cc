#include "trainer/exact_distance.h"

#include <algorithm>
#include <cmath>

namespace muster::trainer {

namespace {

// Sum of difference(i)^2 in a fixed order: eight sums, so that the processor need not wait for one.
template <typename Difference>
double sum_of_squares(int64_t features, const Difference& difference) {
  constexpr int64_t kLanes = 8;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= features; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double value = difference(i + lane);
      sums[lane] += value * value;
    }
  }
  for (int64_t lane = 0; i < features; ++i, ++lane) {
    const double value = difference(i);
    sums[lane] += value * value;
  }
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

}  // namespace

double squared_distance(const float* a, const float* b, int64_t features) {
  return sum_of_squares(features, [a, b](int64_t i) {
    return static_cast<double>(a[i]) - static_cast<double>(b[i]);
  });
}

double squared_length(const float* a, int64_t features) {
  return sum_of_squares(features, [a](int64_t i) { return static_cast<double>(a[i]); });
}

double distance_over_variants(const float* a, const float* b, int64_t variants, int64_t features) {
  double sum = 0;
  for (int64_t variant = 0; variant < variants; ++variant) {
    sum += std::sqrt(squared_distance(a + variant * features, b + variant * features, features));
  }
  return sum;
}

void make_unit_length(float* vectors, int64_t rows, int64_t features) {
  for (int64_t row = 0; row < rows; ++row) {
    float* vector = vectors + row * features;
    const double norm = std::max(std::sqrt(squared_length(vector, features)), 1e-12);
    for (int64_t i = 0; i < features; ++i) {
      vector[i] = static_cast<float>(static_cast<double>(vector[i]) / norm);
    }
  }
}

}  // namespace muster::trainer
