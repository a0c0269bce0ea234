#include "models/losses/verification_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/models/loss_support.h"

namespace muster::models {
namespace {

TEST(VerificationLossTest, EqualsTheDefinition) {
  const at::Tensor first = normal_tensor({6, 4}, 31), second = normal_tensor({6, 4}, 32);
  const std::vector<int64_t> same = {0, 1, 0, 1, 1, 0};
  double sum = 0, same_distance = 0, other_distance = 0;
  int active = 0;
  for (int64_t pair = 0; pair < 6; ++pair) {
    const double distance = plain_distance(first[pair], second[pair]);
    if (same[static_cast<size_t>(pair)] == 1) {
      sum += distance * distance;
      same_distance += distance;
    } else {
      sum += std::max(0.0, 3 - distance);
      other_distance += distance;
      active += distance < 3 ? 1 : 0;
    }
  }
  ASSERT_TRUE(active > 0 && active < 3);  // both sides of the hinge
  const LossTerm term = verification_loss(first, second, flags(same), 3);
  EXPECT_NEAR(term.sum.item<double>(), sum, 1e-12);
  EXPECT_EQ(term.count, 6);
  EXPECT_EQ(term.statistics.at("same_pair_share"), 3);
  EXPECT_NEAR(term.statistics.at("same_pair_distance"), same_distance, 1e-12);
  EXPECT_NEAR(term.statistics.at("other_pair_distance"), other_distance, 1e-12);
}

TEST(VerificationLossTest, GradientEqualsFiniteDifferences) {
  const at::Tensor first = normal_tensor({4, 3}, 33).requires_grad_();
  const at::Tensor second = normal_tensor({4, 3}, 34).requires_grad_();
  expect_gradients({first, second}, [&] {
    return verification_loss(first, second, flags({0, 1, 1, 0}), 4).sum;
  });
}

TEST(VerificationLossTest, CoincidingVectorsHaveNoGradient) {
  for (const double value : {0.0, 2.0}) {
    const at::Tensor first = at::full({2, 3}, value, at::kDouble).requires_grad_();
    const at::Tensor second = at::full({2, 3}, value, at::kDouble).requires_grad_();
    const LossTerm term = verification_loss(first, second, flags({1, 0}), 2);
    EXPECT_NEAR(term.sum.item<double>(), 2, 2e-6);  // the margin of the two persons
    term.sum.backward();
    EXPECT_TRUE(same_values(first.grad(), at::zeros_like(first)));
    EXPECT_TRUE(same_values(second.grad(), at::zeros_like(second)));
  }
}

TEST(VerificationLossTest, WithoutPairsIsAConnectedZero) {
  const at::Tensor first = at::empty({0, 3}, at::kDouble).requires_grad_();
  const LossTerm term = verification_loss(first, first, flags({}), 2);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  EXPECT_EQ(first.grad().numel(), 0);
}

TEST(VerificationLossTest, DemandsPairs) {
  EXPECT_THROW(verification_loss(at::zeros({2, 3}), at::zeros({3, 3}), flags({0, 1}), 1),
               common::RequirementError);
}

}  // namespace
}  // namespace muster::models
