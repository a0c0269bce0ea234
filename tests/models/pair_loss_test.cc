#include "models/losses/pair_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/models/loss_support.h"

namespace muster::models {
namespace {

std::vector<int64_t> rows_in(const at::Tensor& rows) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < rows.size(0); ++i) values.push_back(rows[i].item<int64_t>());
  return values;
}

TEST(MinePairsTest, TakesTheFarthestOtherClipOfThePersonAndTheNearestStranger) {
  const std::vector<int64_t> labels = {3, 1, 3, 3, 1, 8};
  const at::Tensor features = normal_tensor({6, 4}, 41);
  std::vector<int64_t> anchors, positives, negatives;
  for (int64_t anchor = 0; anchor < 6; ++anchor) {
    int64_t positive = -1, negative = -1;
    const auto distance = [&](int64_t row) {
      return plain_distance(features[anchor], features[row]);
    };
    for (int64_t row = 0; row < 6; ++row) {
      if (row == anchor) continue;
      if (labels[static_cast<size_t>(row)] == labels[static_cast<size_t>(anchor)]) {
        if (positive < 0 || distance(row) > distance(positive)) positive = row;
      } else if (negative < 0 || distance(row) < distance(negative)) {
        negative = row;
      }
    }
    if (positive < 0) continue;  // 8 is alone
    anchors.push_back(anchor);
    positives.push_back(positive);
    negatives.push_back(negative);
  }
  const at::Tensor ids = label_tensor_of(labels);
  const JudgedPairs pairs = mine_pairs(features, ids, features, ids, 0);
  EXPECT_EQ(rows_in(pairs.anchors), anchors);
  EXPECT_EQ(rows_in(pairs.positives), positives);
  EXPECT_EQ(rows_in(pairs.negatives), negatives);
}

TEST(MinePairsTest, AnAnchorKnowsItsOwnRowAmongTheCandidates) {
  const at::Tensor features = normal_tensor({6, 4}, 42);
  const at::Tensor ids = label_tensor_of({0, 1, 0, 1, 0, 1});
  const JudgedPairs all = mine_pairs(features, ids, features, ids, 0);
  const JudgedPairs own =
      mine_pairs(features.narrow(0, 3, 2), ids.narrow(0, 3, 2), features, ids, 3);
  EXPECT_EQ(rows_in(own.anchors), (std::vector<int64_t>{0, 1}));
  EXPECT_TRUE(same_values(own.positives, all.positives.narrow(0, 3, 2)));
  EXPECT_TRUE(same_values(own.negatives, all.negatives.narrow(0, 3, 2)));
}

TEST(MinePairsTest, OneIdentityOrOneClipEachIsNotJudged) {
  const at::Tensor features = normal_tensor({3, 4}, 43);
  for (const std::vector<int64_t>& labels : {std::vector<int64_t>{1, 1, 1}, {1, 2, 3}}) {
    const at::Tensor ids = label_tensor_of(labels);
    EXPECT_EQ(mine_pairs(features, ids, features, ids, 0).anchors.size(0), 0);
    EXPECT_EQ(neighbouring_pairs(ids, ids, 0).positives.size(0), 0);
  }
}

TEST(MinePairsTest, CoincidingClipsAreStillPairsOfTwo) {
  const at::Tensor features = at::zeros({4, 3}, at::kDouble);
  const std::vector<int64_t> labels = {0, 1, 0, 1};
  const at::Tensor ids = label_tensor_of(labels);
  const JudgedPairs pairs = mine_pairs(features, ids, features, ids, 0);
  EXPECT_EQ(rows_in(pairs.positives), (std::vector<int64_t>{2, 3, 0, 1}));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NE(labels[static_cast<size_t>(rows_in(pairs.negatives)[i])], labels[i]);
  }
}

TEST(MinePairsTest, WithoutAnchorsThereAreNoPairs) {
  const JudgedPairs pairs = mine_pairs(at::empty({0, 4}, at::kDouble), at::empty({0}, at::kLong),
                                       normal_tensor({2, 4}, 44), label_tensor_of({0, 1}), 2);
  EXPECT_EQ(pairs.anchors.size(0), 0);
  EXPECT_EQ(pairs.negatives.size(0), 0);
}

TEST(NeighbouringPairsTest, GoRoundTheBatch) {
  const at::Tensor ids = label_tensor_of({5, 5, 6, 6, 5});
  const JudgedPairs pairs = neighbouring_pairs(ids, ids, 0);
  EXPECT_EQ(rows_in(pairs.positives), (std::vector<int64_t>{4, 0, 3, 2, 1}));
  EXPECT_EQ(rows_in(pairs.negatives), (std::vector<int64_t>{2, 2, 4, 4, 2}));
  const JudgedPairs own = neighbouring_pairs(ids.narrow(0, 3, 2), ids, 3);
  EXPECT_EQ(rows_in(own.positives), (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(rows_in(own.negatives), (std::vector<int64_t>{4, 2}));
}

TEST(PairLossTest, EqualsTheDefinition) {
  const at::Tensor logits = normal_tensor({5, 2}, 45);
  const std::vector<int64_t> same = {1, 0, 0, 1, 1};
  double sum = 0, right = 0;
  for (int64_t pair = 0; pair < 5; ++pair) {
    const double two = logits[pair][0].item<double>(), one = logits[pair][1].item<double>();
    const double probability = std::exp(one) / (std::exp(one) + std::exp(two));  // M(x_i, x_j)
    const bool is_same = same[static_cast<size_t>(pair)] == 1;
    sum -= std::log(is_same ? probability : 1 - probability);
    right += (probability > 0.5) == is_same ? 1 : 0;
  }
  const LossTerm term = pair_loss(logits, flags(same));
  EXPECT_NEAR(term.sum.item<double>(), sum, 1e-12);
  EXPECT_EQ(term.count, 5);
  EXPECT_EQ(term.statistics.at("pair_accuracy"), right);
}

TEST(PairLossTest, GradientEqualsFiniteDifferences) {
  const at::Tensor logits = normal_tensor({3, 2}, 46).requires_grad_();
  expect_gradients({logits}, [&] { return pair_loss(logits, flags({1, 0, 1})).sum; });
}

TEST(PairLossTest, HugeAndEqualScoresStayFinite) {
  const at::Tensor logits =
      at::tensor({1e4, -1e4, 0.0, 0.0}, at::kDouble).view({2, 2}).requires_grad_();
  const LossTerm term = pair_loss(logits, flags({1, 0}));
  EXPECT_NEAR(term.sum.item<double>(), 2e4 + std::log(2.0), 1e-8);
  EXPECT_EQ(term.statistics.at("pair_accuracy"), 0);
  term.sum.backward();
  EXPECT_TRUE(all_finite(logits.grad()));
}

TEST(PairLossTest, WithoutPairsIsAConnectedZero) {
  const at::Tensor logits = at::empty({0, 2}, at::kDouble).requires_grad_();
  const LossTerm term = pair_loss(logits, flags({}));
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  EXPECT_EQ(logits.grad().numel(), 0);
}

TEST(PairLossTest, DemandsTwoScoresAPair) {
  EXPECT_THROW(pair_loss(at::zeros({2, 3}), flags({0, 1})), common::RequirementError);
  EXPECT_THROW(pair_loss(at::zeros({3, 2}), flags({0, 1})), common::RequirementError);
}

}  // namespace
}  // namespace muster::models
