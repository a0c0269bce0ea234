#include "trainer/distance_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::trainer {
namespace {

constexpr double kUnit = 1.0 / (1 << 24);   // of rounding to float
constexpr float kLargestSquare = 1e37f;     // of both vectors together: no sum overflows
constexpr int64_t kMostFeatures = 1 << 20;  // beyond, the bound says too little

}  // namespace

DistanceBound distance_bound(int64_t features) {
  if (features > kMostFeatures) {
    return {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()};
  }
  const auto length = static_cast<double>(features);
  // Beside the product: 4 u for the subtracted vector, 1 u for each square, 5 u for three
  // operations on numbers of at most twice the squares; doubled.
  constexpr double kOther = 24;
  const double product = length * kUnit / (1 - length * kUnit);
  return {static_cast<float>((product + kOther * kUnit) * (1 + 1e-6)),
          static_cast<float>((length + kOther) * 0x1p-120)};
}

void bounds_of_row(const DistanceBound& bound, float square, const float* squares,
                   const float* products, int64_t count, float* lower, float* upper) {
  const float less = 1 - bound.share, more = 1 + bound.share, absolute = bound.absolute;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < count; ++i) {
    const float both = square + squares[i], twice = 2 * products[i];
    const float low = (both * less - twice) - absolute, high = (both * more - twice) + absolute;
    const bool in_range = both < kLargestSquare && absolute < kInfinity;
    lower[i] = in_range ? low : -kInfinity;
    upper[i] = in_range ? high : kInfinity;
  }
}

void add_distance_bounds_of_row(const DistanceBound& bound, float square, const float* squares,
                                const float* products, int64_t count, float* lower, float* upper) {
  constexpr int64_t kAtOnce = 256;
  float low[kAtOnce], high[kAtOnce];
  for (int64_t first = 0; first < count; first += kAtOnce) {
    const int64_t some = std::min(kAtOnce, count - first);
    bounds_of_row(bound, square, squares + first, products + first, some, low, high);
    for (int64_t i = 0; i < some; ++i) {
      lower[first + i] += std::sqrt(low[i] > 0 ? low[i] : 0.0f);
      upper[first + i] += std::sqrt(high[i] > 0 ? high[i] : 0.0f);
    }
  }
}

BoundCount count_bounds(const float* lower, const float* upper, int64_t count, float low,
                        float high) {
  int32_t surely = 0, perhaps = 0;
  for (int64_t i = 0; i < count; ++i) {
    surely += upper[i] < low ? 1 : 0;
    perhaps += lower[i] <= high ? 1 : 0;
  }
  return {surely, perhaps};
}

}  // namespace muster::trainer
