#include "trainer/distance_bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/keyed_random.h"

namespace muster::trainer {
namespace {

struct Pair {
  std::vector<float> x, y;
};

double squared(const std::vector<float>& x, const std::vector<float>& y, double sign) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double value = static_cast<double>(x[i]) + sign * static_cast<double>(y[i]);
    sum += value * value;
  }
  return sum;
}

// Added up one by one in float, the worst of orders.
float product(const Pair& pair) {
  float sum = 0;
  for (size_t i = 0; i < pair.x.size(); ++i) sum += pair.x[i] * pair.y[i];
  return sum;
}

// Close to each other and, being all of one sign, with rounding errors that pile up.
Pair hard_pair(size_t features, float scale, uint64_t key) {
  common::KeyedRandom random(key);
  Pair pair;
  for (size_t i = 0; i < features; ++i) {
    const float value = scale * static_cast<float>(1 + 0.5 * random.uniform());
    pair.x.push_back(value);
    pair.y.push_back(value * static_cast<float>(1 + 1e-3 * random.normal()));
  }
  return pair;
}

TEST(DistanceBoundsTest, HoldTheTrueDistance) {
  for (const size_t features : {1, 17, 512, 4096}) {
    for (const float scale : {1e-35f, 1e-21f, 1e-10f, 1.0f, 1e10f, 1e16f, 1e25f}) {
      for (uint64_t key = 0; key < 20; ++key) {
        const Pair pair = hard_pair(features, scale, key);
        const std::vector<float> zero(features, 0);
        const auto of_x = static_cast<float>(squared(pair.x, zero, 1));
        const auto of_y = static_cast<float>(squared(pair.y, zero, 1));
        const float products = product(pair);
        const double truth = squared(pair.x, pair.y, -1);
        float lower = 0, upper = 0;
        const DistanceBound bound = distance_bound(static_cast<int64_t>(features));
        bounds_of_row(bound, of_x, &of_y, &products, 1, &lower, &upper);
        EXPECT_LE(lower, truth) << features << " " << scale;
        EXPECT_GE(upper, truth) << features << " " << scale;
        lower = upper = 0;
        add_distance_bounds_of_row(bound, of_x, &of_y, &products, 1, &lower, &upper);
        EXPECT_LE(lower, std::sqrt(truth) * (1 + 1e-6));
        EXPECT_GE(upper, std::sqrt(truth) * (1 - 1e-6));
      }
    }
  }
}

// A bound that says nothing would hold too.
TEST(DistanceBoundsTest, AreTight) {
  const float of_x = 1000, of_y = 1000, products = 0;
  float lower = 0, upper = 0;
  bounds_of_row(distance_bound(1024), of_x, &of_y, &products, 1, &lower, &upper);
  EXPECT_GT(lower, 1999.8f);
  EXPECT_LT(upper, 2000.2f);
}

TEST(DistanceBoundsTest, SayNothingWhereFloatEnds) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float huge[] = {infinity, 2e37f}, products[] = {0, 0};
  float lower[2] = {}, upper[2] = {};
  bounds_of_row(distance_bound(8), 1, huge, products, 2, lower, upper);
  for (const int i : {0, 1}) {
    EXPECT_EQ(lower[i], -infinity);
    EXPECT_EQ(upper[i], infinity);
  }
  const float small = 1;
  bounds_of_row(distance_bound(int64_t{1} << 21), 1, &small, products, 1, lower, upper);
  EXPECT_EQ(lower[0], -infinity);
}

TEST(DistanceBoundsTest, CountsAreOfBothSides) {
  const float nothing = std::numeric_limits<float>::quiet_NaN();
  const float lower[] = {0, 2, 5, nothing, 4}, upper[] = {1, 6, 7, nothing, 4};
  const BoundCount count = count_bounds(lower, upper, 5, 4, 4);
  EXPECT_EQ(count.surely_nearer, 1);   // the first
  EXPECT_EQ(count.perhaps_nearer, 3);  // the second and the last besides
}

}  // namespace
}  // namespace muster::trainer
