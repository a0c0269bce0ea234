#include "models/keyed_dropout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

// The mask shows in what becomes of ones.
at::Tensor mask_of(const std::vector<uint64_t>& keys, uint64_t layer = 1, double probability = 0.6,
                   int64_t elements = 64) {
  const at::Tensor ones = at::ones({static_cast<int64_t>(keys.size()), elements}, at::kDouble);
  return keyed_dropout(ones, probability, keys, layer);
}

TEST(KeyedDropoutTest, ElementsAreDroppedOrScaled) {
  const at::Tensor mask = mask_of({1, 2, 3});
  const at::Tensor kept = mask.masked_select(mask.ne(0));
  EXPECT_GT(kept.numel(), 0);
  EXPECT_LT(kept.numel(), mask.numel());
  EXPECT_LT(largest_difference(kept, at::full_like(kept, 2.5)), 1e-6);
}

// 200,000 draws: five standard deviations are 0.0055.
TEST(KeyedDropoutTest, DropsAtTheAskedRate) {
  const at::Tensor mask = mask_of({5, 6}, 1, 0.6, 100000);
  EXPECT_NEAR(mask.eq(0).to(at::kDouble).mean().item<double>(), 0.6, 0.0055);
}

TEST(KeyedDropoutTest, TheMaskDoesNotDependOnTheClipsBeside) {
  const at::Tensor together = mask_of({11, 22, 33});
  for (int64_t clip = 0; clip < 3; ++clip) {
    const uint64_t key = 11 * static_cast<uint64_t>(clip + 1);
    EXPECT_TRUE(same_values(together.narrow(0, clip, 1), mask_of({key})));
  }
}

TEST(KeyedDropoutTest, TheMaskFollowsItsClipWhenTheOrderChanges) {
  EXPECT_TRUE(same_values(mask_of({11, 22, 33}), mask_of({33, 22, 11}).flip(0)));
}

TEST(KeyedDropoutTest, LayersDiffer) {
  EXPECT_FALSE(same_values(mask_of({11}, 1), mask_of({11}, 2)));
}

TEST(KeyedDropoutTest, ClipsDiffer) { EXPECT_FALSE(same_values(mask_of({11}), mask_of({12}))); }

TEST(KeyedDropoutTest, TheMaskIsThatOfTheOtherPrecision) {
  const at::Tensor single = keyed_dropout(at::ones({2, 64}, at::kFloat), 0.6, {11, 22}, 1);
  EXPECT_EQ(single.scalar_type(), at::kFloat);
  EXPECT_LT(largest_difference(single, mask_of({11, 22})), 1e-6);
}

// A sliced tensor's strides are not those of its copy; the mask goes by position.
TEST(KeyedDropoutTest, TheMaskDoesNotDependOnTheMemoryLayout) {
  const at::Tensor transposed = at::ones({64, 2}, at::kDouble).t();
  EXPECT_TRUE(same_values(keyed_dropout(transposed, 0.6, {11, 22}, 1), mask_of({11, 22})));
}

TEST(KeyedDropoutTest, TheGlobalGeneratorIsNotTouched) {
  at::manual_seed(1);
  const at::Tensor undisturbed = at::rand({4});
  at::manual_seed(1);
  mask_of({11});
  EXPECT_TRUE(same_values(at::rand({4}), undisturbed));
}

TEST(KeyedDropoutTest, WithoutClipsKeepsTheShapeAndTheGraph) {
  const at::Tensor values = at::empty({0, 7}, at::kDouble).requires_grad_();
  const at::Tensor dropped = keyed_dropout(values, 0.6, {}, 1);
  EXPECT_EQ(dropped.sizes(), values.sizes());
  dropped.sum().backward();
  EXPECT_EQ(values.grad().sizes(), values.sizes());
}

TEST(KeyedDropoutTest, TheGradientIsTheMask) {
  const at::Tensor values = normal_tensor({2, 64}, 1).requires_grad_();
  keyed_dropout(values, 0.6, {11, 22}, 1).sum().backward();
  EXPECT_TRUE(same_values(values.grad(), mask_of({11, 22})));
}

TEST(KeyedDropoutTest, ProbabilityZeroChangesNothing) {
  const at::Tensor values = normal_tensor({2, 5}, 2);
  EXPECT_TRUE(same_values(keyed_dropout(values, 0, {1, 2}, 1), values));
}

TEST(KeyedDropoutTest, DemandsAKeyPerClip) {
  EXPECT_THROW(keyed_dropout(at::ones({2, 3}), 0.5, {1}, 1), common::RequirementError);
}

TEST(KeyedDropoutTest, DemandsThatSomethingIsLeft) {
  EXPECT_THROW(keyed_dropout(at::ones({1, 3}), 1.0, {1}, 1), common::RequirementError);
}

}  // namespace
}  // namespace muster::models
