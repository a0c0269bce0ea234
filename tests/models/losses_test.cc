#include "models/losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/error.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

double naive_identity_loss(const at::Tensor& logits, const std::vector<int64_t>& labels) {
  double sum = 0;
  for (size_t clip = 0; clip < labels.size(); ++clip) {
    const auto row = static_cast<int64_t>(clip);
    double normaliser = 0;
    for (int64_t i = 0; i < logits.size(1); ++i) {
      normaliser += std::exp(logits[row][i].item<double>());
    }
    sum += std::log(normaliser) - logits[row][labels[clip]].item<double>();
  }
  return sum;
}

struct NaiveTriplet {
  double sum = 0, active = 0, positive = 0, negative = 0;
  std::vector<std::pair<int64_t, int64_t>> mined;
};

double naive_distance(const at::Tensor& a, const at::Tensor& b) {
  double squares = 0;
  for (int64_t i = 0; i < a.size(0); ++i) {
    squares += std::pow(a[i].item<double>() - b[i].item<double>(), 2);
  }
  return std::sqrt(std::max(squares, 1e-12));
}

NaiveTriplet naive_batch_hard(const at::Tensor& anchors, const std::vector<int64_t>& anchor_labels,
                              const at::Tensor& candidates, const std::vector<int64_t>& labels,
                              double margin) {
  NaiveTriplet result;
  for (size_t anchor = 0; anchor < anchor_labels.size(); ++anchor) {
    double hardest_positive = -1, hardest_negative = std::numeric_limits<double>::infinity();
    std::pair<int64_t, int64_t> rows = {-1, -1};
    for (size_t other = 0; other < labels.size(); ++other) {
      const double distance = naive_distance(anchors[static_cast<int64_t>(anchor)],
                                             candidates[static_cast<int64_t>(other)]);
      if (labels[other] == anchor_labels[anchor]) {
        if (distance > hardest_positive) rows.first = static_cast<int64_t>(other);
        hardest_positive = std::max(hardest_positive, distance);
      } else {
        if (distance < hardest_negative) rows.second = static_cast<int64_t>(other);
        hardest_negative = std::min(hardest_negative, distance);
      }
    }
    result.mined.push_back(rows);
    result.positive += hardest_positive;
    if (rows.second < 0) continue;
    const double hinge = std::max(0.0, margin + hardest_positive - hardest_negative);
    result.sum += hinge;
    result.active += hinge > 0 ? 1 : 0;
    result.negative += hardest_negative;
  }
  return result;
}

const std::vector<int64_t> kLabels = {4, 2, 4, 7, 2, 2, 9, 7};  // 9 is alone: its own positive

LossTerm triplet_of(const at::Tensor& features, const std::vector<int64_t>& labels, double margin,
                    at::Tensor* mined = nullptr) {
  const at::Tensor ids = label_tensor_of(labels);
  return batch_hard_triplet_loss(features, ids, features, ids, margin, mined);
}

TEST(IdentityLossTest, EqualsTheDefinition) {
  const at::Tensor logits = normal_tensor({6, 5}, 1);
  const std::vector<int64_t> labels = {0, 4, 2, 2, 1, 3};
  const LossTerm term = identity_loss(logits, label_tensor_of(labels));
  EXPECT_NEAR(term.sum.item<double>(), naive_identity_loss(logits, labels), 1e-12);
  EXPECT_EQ(term.count, 6);
}

TEST(IdentityLossTest, OfEqualLogitsIsTheLogarithmOfTheirNumber) {
  const LossTerm term = identity_loss(at::zeros({3, 8}, at::kDouble), label_tensor_of({1, 5, 7}));
  EXPECT_NEAR(term.sum.item<double>(), 3 * std::log(8.0), 1e-12);
}

TEST(IdentityLossTest, HugeLogitsStayFinite) {
  const at::Tensor logits = at::tensor({1e4, -1e4, 0.0}, at::kDouble).unsqueeze(0);
  const LossTerm term = identity_loss(logits, label_tensor_of({1}));
  EXPECT_NEAR(term.sum.item<double>(), 2e4, 1e-8);
}

TEST(IdentityLossTest, GradientIsProbabilityMinusTruth) {
  const at::Tensor logits = normal_tensor({2, 3}, 2).requires_grad_();
  identity_loss(logits, label_tensor_of({2, 0})).sum.backward();
  const at::Tensor truth = at::tensor({0.0, 0.0, 1.0, 1.0, 0.0, 0.0}, at::kDouble).view({2, 3});
  const at::Tensor powers = logits.detach().exp();
  EXPECT_LT(largest_difference(logits.grad(), powers / powers.sum(1, true) - truth), 1e-14);
}

TEST(IdentityLossTest, WithoutClipsIsAConnectedZero) {
  const at::Tensor logits = at::empty({0, 5}, at::kDouble).requires_grad_();
  const LossTerm term = identity_loss(logits, at::empty({0}, at::kLong));
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  EXPECT_EQ(logits.grad().numel(), 0);
}

TEST(IdentityLossTest, DemandsALabelPerClip) {
  EXPECT_THROW(identity_loss(at::zeros({2, 3}), label_tensor_of({1})), common::RequirementError);
}

TEST(BatchHardTripletLossTest, EqualsTheDefinition) {
  const at::Tensor features = normal_tensor({8, 6}, 3);
  const LossTerm term = triplet_of(features, kLabels, 0.7);
  const NaiveTriplet naive = naive_batch_hard(features, kLabels, features, kLabels, 0.7);
  EXPECT_NEAR(term.sum.item<double>(), naive.sum, 1e-9);
  EXPECT_EQ(term.count, 8);
}

TEST(BatchHardTripletLossTest, MinesTheHardestRows) {
  const at::Tensor features = normal_tensor({8, 6}, 3);
  at::Tensor mined;
  triplet_of(features, kLabels, 0.7, &mined);
  const NaiveTriplet naive = naive_batch_hard(features, kLabels, features, kLabels, 0.7);
  ASSERT_EQ(mined.sizes(), (std::vector<int64_t>{8, 2}));
  EXPECT_EQ(mined.scalar_type(), at::kLong);
  for (int64_t anchor = 0; anchor < 8; ++anchor) {
    EXPECT_EQ(mined[anchor][0].item<int64_t>(), naive.mined[static_cast<size_t>(anchor)].first);
    EXPECT_EQ(mined[anchor][1].item<int64_t>(), naive.mined[static_cast<size_t>(anchor)].second);
  }
}

TEST(BatchHardTripletLossTest, AnchorsMayBeSomeOfTheCandidates) {
  const at::Tensor candidates = normal_tensor({8, 6}, 4);
  const std::vector<int64_t> labels(kLabels.begin() + 2, kLabels.begin() + 5);
  const at::Tensor anchors = candidates.narrow(0, 2, 3);
  const LossTerm term = batch_hard_triplet_loss(anchors, label_tensor_of(labels), candidates,
                                                label_tensor_of(kLabels), 0.7);
  const NaiveTriplet naive = naive_batch_hard(anchors, labels, candidates, kLabels, 0.7);
  EXPECT_NEAR(term.sum.item<double>(), naive.sum, 1e-9);
  EXPECT_EQ(term.count, 3);
}

TEST(BatchHardTripletLossTest, ALonelyAnchorIsItsOwnPositiveAtDistanceZero) {
  const at::Tensor features = at::tensor({0.0, 0.0, 3.0, 4.0}, at::kDouble).view({2, 2});
  at::Tensor mined;
  const LossTerm term = triplet_of(features, {0, 1}, 6, &mined);
  EXPECT_NEAR(term.sum.item<double>(), 2 * (6 + 0 - 5), 1e-5);
  EXPECT_TRUE(same_values(mined, label_tensor_of({0, 1, 1, 0}).view({2, 2})));
}

TEST(BatchHardTripletLossTest, WithoutNegativesIsAConnectedZero) {
  const at::Tensor features = normal_tensor({3, 4}, 5).requires_grad_();
  const LossTerm term = triplet_of(features, {1, 1, 1}, 10);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 3);
  term.sum.backward();
  EXPECT_TRUE(same_values(features.grad(), at::zeros_like(features)));
}

TEST(BatchHardTripletLossTest, WithoutAnchorsIsAConnectedZero) {
  const at::Tensor anchors = at::empty({0, 4}, at::kDouble).requires_grad_();
  const at::Tensor candidates = normal_tensor({3, 4}, 6).requires_grad_();
  at::Tensor mined;
  const LossTerm term = batch_hard_triplet_loss(anchors, at::empty({0}, at::kLong), candidates,
                                                label_tensor_of({1, 1, 2}), 0.5, &mined);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  EXPECT_EQ(mined.sizes(), (std::vector<int64_t>{0, 2}));
  term.sum.backward();
  EXPECT_EQ(anchors.grad().numel(), 0);
  EXPECT_TRUE(same_values(candidates.grad(), at::zeros_like(candidates)));
}

// Rows 1 and 2 lie equally far from row 0: the loss counts one of them, and only one gets a
// gradient.
TEST(BatchHardTripletLossTest, TiedNegativesCountOnce) {
  const at::Tensor candidates =
      at::tensor({0.0, 0.0, 1.0, 0.0, 0.0, 1.0}, at::kDouble).view({3, 2}).requires_grad_();
  const at::Tensor anchor = at::zeros({1, 2}, at::kDouble);
  at::Tensor mined;
  const LossTerm term = batch_hard_triplet_loss(anchor, label_tensor_of({0}), candidates,
                                                label_tensor_of({0, 1, 1}), 3, &mined);
  EXPECT_NEAR(term.sum.item<double>(), 2, 1e-5);
  term.sum.backward();
  const int64_t chosen = mined[0][1].item<int64_t>();
  EXPECT_TRUE(chosen == 1 || chosen == 2);
  EXPECT_NEAR(candidates.grad()[chosen].norm().item<double>(), 1, 1e-12);
  EXPECT_EQ(candidates.grad()[3 - chosen].norm().item<double>(), 0);
}

TEST(BatchHardTripletLossTest, TiesAreResolvedTheSameWayEachTime) {
  const at::Tensor features = at::ones({8, 4}, at::kDouble);
  at::Tensor first, second;
  triplet_of(features, kLabels, 1, &first);
  triplet_of(features, kLabels, 1, &second);
  EXPECT_TRUE(same_values(first, second));
}

TEST(BatchHardTripletLossTest, AnInactiveHingeHasNoGradient) {
  const at::Tensor features =
      at::tensor({0.0, 0.1, 9.0, 9.1}, at::kDouble).view({4, 1}).requires_grad_();
  const LossTerm term = triplet_of(features, {0, 0, 1, 1}, 0.4);
  EXPECT_EQ(term.sum.item<double>(), 0);
  term.sum.backward();
  EXPECT_TRUE(same_values(features.grad(), at::zeros_like(features)));
}

TEST(BatchHardTripletLossTest, GradientEqualsFiniteDifferences) {
  const at::Tensor anchors = normal_tensor({3, 5}, 7).requires_grad_();
  const at::Tensor candidates = normal_tensor({8, 5}, 8).requires_grad_();
  const auto loss = [&] {
    return batch_hard_triplet_loss(anchors, label_tensor_of({4, 2, 7}), candidates,
                                   label_tensor_of(kLabels), 5);
  };
  loss().sum.backward();
  for (const at::Tensor& variable : {anchors, candidates}) {
    for (int64_t i = 0; i < variable.numel(); ++i) {
      const double numeric =
          numeric_derivative(variable, i, [&] { return loss().sum.item<double>(); });
      EXPECT_NEAR(variable.grad().flatten()[i].item<double>(), numeric, 1e-7);
    }
  }
}

// Coinciding clips: the distance is clamped, so its derivative is 0 rather than 1 / 0.
TEST(BatchHardTripletLossTest, CoincidingClipsHaveAFiniteGradient) {
  const at::Tensor features = at::ones({4, 3}, at::kDouble).requires_grad_();
  const LossTerm term = triplet_of(features, {0, 0, 1, 1}, 0.4);
  EXPECT_NEAR(term.sum.item<double>(), 4 * 0.4, 1e-9);
  term.sum.backward();
  EXPECT_TRUE(at::isfinite(features.grad()).all().item<bool>());
}

// A lonely anchor's positive distance is rounding noise; its gradient must not be.
TEST(BatchHardTripletLossTest, GradientOfLonelyAnchorsInFloat32IsThatInFloat64) {
  for (uint64_t key = 0; key < 50; ++key) {
    const at::Tensor single = normal_tensor({4, 16}, 100 + key, at::kFloat).requires_grad_();
    const at::Tensor exact = single.detach().to(at::kDouble).requires_grad_();
    triplet_of(single, {0, 1, 2, 3}, 20).sum.backward();
    triplet_of(exact, {0, 1, 2, 3}, 20).sum.backward();
    const at::Tensor error = single.grad().to(at::kDouble) - exact.grad();
    EXPECT_LT(error.norm().item<double>() / exact.grad().norm().item<double>(), 1e-3) << key;
  }
}

TEST(BatchHardTripletLossTest, StatisticsAreSumsOverAnchors) {
  const at::Tensor features = normal_tensor({8, 6}, 9);
  const LossTerm term = triplet_of(features, kLabels, 0.7);
  const NaiveTriplet naive = naive_batch_hard(features, kLabels, features, kLabels, 0.7);
  EXPECT_EQ(term.statistics.at("triplet_active_share"), naive.active);
  EXPECT_NEAR(term.statistics.at("hardest_positive_distance"), naive.positive, 1e-5);
  EXPECT_NEAR(term.statistics.at("hardest_negative_distance"), naive.negative, 1e-9);
}

TEST(BatchHardTripletLossTest, TheRankOneEstimateIsWhoseNearestOtherClipIsRight) {
  for (uint64_t key = 0; key < 20; ++key) {
    const at::Tensor features = normal_tensor({8, 2}, 300 + key);
    int64_t right = 0;
    for (int64_t anchor = 0; anchor < 8; ++anchor) {
      int64_t nearest = -1;
      double least = 1e300;
      for (int64_t other = 0; other < 8; ++other) {
        const double distance = (features[anchor] - features[other]).norm().item<double>();
        if (other == anchor || distance >= least) continue;
        nearest = other, least = distance;
      }
      right += kLabels[static_cast<size_t>(nearest)] == kLabels[static_cast<size_t>(anchor)];
    }
    EXPECT_EQ(triplet_of(features, kLabels, 0.7).statistics.at("rank1_estimate"), right) << key;
  }
}

TEST(BatchHardTripletLossTest, LonelyAnchorsHaveNoRightNeighbour) {
  EXPECT_EQ(triplet_of(normal_tensor({3, 2}, 5), {0, 1, 2}, 1).statistics.at("rank1_estimate"), 0);
  EXPECT_EQ(triplet_of(normal_tensor({1, 2}, 5), {0}, 1).statistics.at("rank1_estimate"), 0);
}

}  // namespace
}  // namespace muster::models
