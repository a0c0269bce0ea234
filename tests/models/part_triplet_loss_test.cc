#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/error.h"
#include "models/losses.h"
#include "models/losses/distances.h"
#include "tests/models/loss_support.h"

namespace muster::models {
namespace {

const std::vector<int64_t> kPeople = {4, 2, 4, 7, 2, 2, 9, 7};  // 9 is alone: its own positive

struct PlainPartTriplet {
  double sum = 0, active = 0, positive = 0, negative = 0;
};

PlainPartTriplet plain_part_triplet(const at::Tensor& parts, const std::vector<int64_t>& labels,
                                    double margin) {
  PlainPartTriplet result;
  const int64_t part_count = parts.size(1);
  for (size_t anchor = 0; anchor < labels.size(); ++anchor) {
    for (int64_t part = 0; part < part_count; ++part) {
      double farthest = 0, nearest = std::numeric_limits<double>::infinity();
      for (size_t other = 0; other < labels.size(); ++other) {
        const double distance = plain_distance(parts[static_cast<int64_t>(anchor)][part],
                                               parts[static_cast<int64_t>(other)][part]);
        if (labels[other] == labels[anchor]) {
          farthest = std::max(farthest, distance);
        } else {
          nearest = std::min(nearest, distance);
        }
      }
      result.positive += farthest / static_cast<double>(part_count);
      if (std::isinf(nearest)) continue;
      const double hinge = std::max(0.0, margin + farthest - nearest);
      result.sum += hinge / static_cast<double>(part_count);
      result.active += (hinge > 0 ? 1.0 : 0.0) / static_cast<double>(part_count);
      result.negative += nearest / static_cast<double>(part_count);
    }
  }
  return result;
}

LossTerm part_triplet_of(const at::Tensor& parts, const std::vector<int64_t>& labels,
                         double margin) {
  const at::Tensor ids = label_tensor_of(labels);
  return part_triplet_loss(parts, ids, parts, ids, margin);
}

TEST(PartTripletLossTest, EqualsTheDefinition) {
  const at::Tensor parts = normal_tensor({8, 3, 5}, 21);
  const LossTerm term = part_triplet_of(parts, kPeople, 0.7);
  const PlainPartTriplet plain = plain_part_triplet(parts, kPeople, 0.7);
  EXPECT_NEAR(term.sum.item<double>(), plain.sum, 1e-9);
  EXPECT_EQ(term.count, 8);
  EXPECT_NEAR(term.statistics.at("part_triplet_active_share"), plain.active, 1e-12);
  EXPECT_NEAR(term.statistics.at("hardest_part_positive_distance"), plain.positive, 1e-5);
  EXPECT_NEAR(term.statistics.at("hardest_part_negative_distance"), plain.negative, 1e-9);
}

TEST(PartTripletLossTest, MinesEachPartByItself) {
  // Clip 1 is clip 0's nearest stranger by the first part, clip 2 by the second.
  const at::Tensor parts = at::tensor({0.0, 0.0, 1.0, 9.0, 9.0, 2.0}, at::kDouble).view({3, 2, 1});
  const at::Tensor anchor = parts.narrow(0, 0, 1);
  const LossTerm term =
      part_triplet_loss(anchor, label_tensor_of({0}), parts, label_tensor_of({0, 1, 1}), 4);
  EXPECT_NEAR(term.sum.item<double>(), ((4 - 1) + (4 - 2)) / 2.0, 1e-5);
}

TEST(PartTripletLossTest, OfOnePartIsTheVideoTriplet) {
  const at::Tensor features = normal_tensor({8, 6}, 22);
  const at::Tensor ids = label_tensor_of(kPeople);
  EXPECT_NEAR(part_triplet_of(features.unsqueeze(1), kPeople, 0.7).sum.item<double>(),
              batch_hard_triplet_loss(features, ids, features, ids, 0.7).sum.item<double>(), 1e-12);
}

TEST(PartTripletLossTest, GradientEqualsFiniteDifferences) {
  const at::Tensor anchors = normal_tensor({3, 2, 4}, 23).requires_grad_();
  const at::Tensor candidates = normal_tensor({8, 2, 4}, 24).requires_grad_();
  expect_gradients({anchors, candidates}, [&] {
    return part_triplet_loss(anchors, label_tensor_of({4, 2, 7}), candidates,
                             label_tensor_of(kPeople), 5)
        .sum;
  });
}

TEST(PartTripletLossTest, WithoutAnchorsIsAConnectedZero) {
  const at::Tensor anchors = at::empty({0, 2, 4}, at::kDouble).requires_grad_();
  const at::Tensor candidates = normal_tensor({3, 2, 4}, 25).requires_grad_();
  const LossTerm term = part_triplet_loss(anchors, at::empty({0}, at::kLong), candidates,
                                          label_tensor_of({1, 1, 2}), 0.5);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  EXPECT_EQ(anchors.grad().numel(), 0);
  EXPECT_TRUE(same_values(candidates.grad(), at::zeros_like(candidates)));
}

TEST(PartTripletLossTest, OneIdentityHasNoLossAndNoGradient) {
  const at::Tensor parts = normal_tensor({3, 2, 4}, 26).requires_grad_();
  const LossTerm term = part_triplet_of(parts, {1, 1, 1}, 10);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 3);
  term.sum.backward();
  EXPECT_TRUE(same_values(parts.grad(), at::zeros_like(parts)));
}

TEST(PartTripletLossTest, CoincidingPartsCostTheMarginWithAFiniteGradient) {
  for (const double value : {0.0, 1.0}) {
    const at::Tensor parts = at::full({4, 2, 3}, value, at::kDouble).requires_grad_();
    const LossTerm term = part_triplet_of(parts, {0, 0, 1, 2}, 0.4);  // 1 and 2: one clip each
    EXPECT_NEAR(term.sum.item<double>(), 4 * 0.4, 1e-9);
    term.sum.backward();
    EXPECT_TRUE(same_values(parts.grad(), at::zeros_like(parts)));
  }
}

TEST(PartTripletLossTest, DemandsPartsOfClips) {
  EXPECT_THROW(part_triplet_of(at::zeros({3, 4}), {0, 0, 1}, 1), common::RequirementError);
}

TEST(NormalisedTripletLossTest, IsTheLossOfUnitVectors) {
  const at::Tensor features = 3 * normal_tensor({8, 6}, 27), ids = label_tensor_of(kPeople);
  at::Tensor unit = features.clone();
  for (int64_t clip = 0; clip < 8; ++clip) {
    unit[clip] /= plain_distance(features[clip], at::zeros({6}, at::kDouble));
  }
  at::Tensor mined, expected;
  const LossTerm term =
      batch_hard_triplet_loss(features, ids, features, ids, 0.3, &mined, /*normalise=*/true);
  const LossTerm of_unit = batch_hard_triplet_loss(unit, ids, unit, ids, 0.3, &expected);
  EXPECT_NEAR(term.sum.item<double>(), of_unit.sum.item<double>(), 1e-9);
  EXPECT_NE(term.sum.item<double>(),
            batch_hard_triplet_loss(features, ids, features, ids, 0.3).sum.item<double>());
  EXPECT_TRUE(same_values(mined, expected));
}

TEST(NormalisedTripletLossTest, GradientEqualsFiniteDifferences) {
  const at::Tensor anchors = normal_tensor({3, 5}, 28).requires_grad_();
  const at::Tensor candidates = normal_tensor({8, 5}, 29).requires_grad_();
  expect_gradients({anchors, candidates}, [&] {
    return batch_hard_triplet_loss(anchors, label_tensor_of({4, 2, 7}), candidates,
                                   label_tensor_of(kPeople), 3, nullptr, true)
        .sum;
  });
}

TEST(NormalisedTripletLossTest, ZeroVectorsStayZeroAndGetNoGradient) {
  const at::Tensor features =
      at::tensor({0.0, 0.0, 3.0, 4.0, 1.0, 0.0}, at::kDouble).view({3, 2}).requires_grad_();
  const at::Tensor ids = label_tensor_of({0, 0, 1});
  const LossTerm term = batch_hard_triplet_loss(features, ids, features, ids, 1, nullptr, true);
  // |0 - a| = 1 and |0 - c| = 1; |a - c| of (0.6, 0.8) and (1, 0) is sqrt(0.8).
  const double far = std::sqrt(0.8);
  EXPECT_NEAR(term.sum.item<double>(), (1 + 1 - 1) + (1 + 1 - far) + (1 - far), 1e-5);
  term.sum.backward();
  EXPECT_TRUE(all_finite(features.grad()));
  EXPECT_EQ(features.grad()[0].abs().sum().item<double>(), 0);
}

TEST(UnitRowsTest, TinyAndHugeVectorsGetLengthOne) {
  const at::Tensor vectors = at::tensor({3e-10, 4e-10, 3e30, 4e30}, at::kFloat).view({2, 2});
  const at::Tensor expected = at::tensor({0.6, 0.8, 0.6, 0.8}, at::kFloat).view({2, 2});
  EXPECT_LT(largest_difference(unit_rows(vectors), expected), 1e-6);
}

}  // namespace
}  // namespace muster::models
