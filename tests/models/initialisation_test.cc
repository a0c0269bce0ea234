#include "models/initialisation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

at::Tensor initialised(at::IntArrayRef shape, uint64_t seed = 1, const std::string& name = "w",
                       at::ScalarType type = at::kFloat) {
  at::Tensor weight = at::zeros(shape, at::TensorOptions(type));
  xavier_uniform_(weight, seed, name);
  return weight;
}

// sqrt(6 / ((8 + 4) x 25)) = sqrt(0.02)
TEST(InitialisationTest, StaysWithinTheBoundOfAConvolution) {
  const double largest = initialised({8, 4, 5, 5}).abs().max().item<double>();
  EXPECT_LE(largest, std::sqrt(0.02) * (1 + 1e-6));
  EXPECT_GT(largest, std::sqrt(0.02) * 0.95);
}

TEST(InitialisationTest, StaysWithinTheBoundOfALinearLayer) {
  const double limit = std::sqrt(6.0 / 300),
               largest = initialised({200, 100}).abs().max().item<double>();
  EXPECT_LE(largest, limit * (1 + 1e-6));
  EXPECT_GT(largest, limit * 0.99);
}

// A uniform distribution on [-l, l] has variance l^2 / 3; 20,000 values give it to 2 %.
TEST(InitialisationTest, HasTheVarianceOfTheUniformDistribution) {
  const at::Tensor weight = initialised({200, 100}).to(at::kDouble);
  EXPECT_NEAR(weight.pow(2).mean().item<double>() / (6.0 / 300 / 3), 1, 0.03);
  EXPECT_NEAR(weight.mean().item<double>(), 0, 0.005);
}

TEST(InitialisationTest, IsAFunctionOfSeedAndName) {
  at::manual_seed(1);
  const at::Tensor first = initialised({4, 3}, 5, "conv.weight");
  at::manual_seed(2);
  EXPECT_TRUE(same_values(first, initialised({4, 3}, 5, "conv.weight")));
}

TEST(InitialisationTest, NamesDiffer) {
  EXPECT_FALSE(same_values(initialised({4, 3}, 5, "conv1"), initialised({4, 3}, 5, "conv2")));
}

TEST(InitialisationTest, SeedsDiffer) {
  EXPECT_FALSE(same_values(initialised({4, 3}, 5), initialised({4, 3}, 6)));
}

TEST(InitialisationTest, Float64GetsTheSameValues) {
  const at::Tensor exact = initialised({4, 3}, 5, "w", at::kDouble);
  EXPECT_EQ(exact.scalar_type(), at::kDouble);
  EXPECT_TRUE(same_values(exact, initialised({4, 3}, 5).to(at::kDouble)));
}

TEST(InitialisationTest, ChangesAParameterInPlaceWithoutAGraph) {
  const at::Tensor weight = at::zeros({4, 3}).requires_grad_();
  xavier_uniform_(weight, 5, "w");
  EXPECT_TRUE(weight.is_leaf());
  EXPECT_TRUE(same_values(weight.detach(), initialised({4, 3}, 5)));
}

TEST(InitialisationTest, AVectorHasNoFans) {
  EXPECT_THROW(xavier_uniform_(at::zeros({4}), 1, "bias"), common::RequirementError);
}

TEST(InitialisationTest, NothingIsDrawnWhileValuesAreNotWanted) {
  {
    const WithoutInitialValues guard;
    EXPECT_EQ(initialised({4, 4}).abs().max().item<double>(), 0);
    at::Tensor weight = at::zeros({4, 4});
    orthogonal_(weight, 1, 1, "w");
    EXPECT_EQ(weight.abs().max().item<double>(), 0);
  }
  EXPECT_GT(initialised({4, 4}).abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace muster::models
