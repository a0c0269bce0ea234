#include "trainer/loss_terms.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "common/error.h"
#include "models/losses.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/models/support.h"
#include "tests/trainer/small_pair_model.h"

namespace muster::trainer {
namespace {

using models::label_tensor_of;
using models::normal_tensor;

const std::vector<int64_t> kLabels = {0, 1, 0, 1, 2, 2};

models::ModelOutput random_output() {
  models::ModelOutput output;
  output.signature["features"] = normal_tensor({6, 4}, 1).requires_grad_();
  output.logits["identity"] = normal_tensor({6, 3}, 2).requires_grad_();
  return output;
}

proto::Loss both_losses(double identity_weight, double triplet_weight) {
  proto::Loss settings;
  settings.mutable_identity()->set_weight(identity_weight);
  settings.mutable_video_triplet()->set_weight(triplet_weight);
  settings.mutable_video_triplet()->set_margin(2);
  return settings;
}

StepLosses on_one_rank(const proto::Loss& settings, const models::ModelOutput& output) {
  static const auto alone = create_single_communicator();  // outlives the graph
  return step_losses(settings, output, label_tensor_of(kLabels), {6}, *alone);
}

models::LossTerm expected_triplet(const models::ModelOutput& output) {
  const at::Tensor& features = output.signature.at("features");
  const at::Tensor labels = label_tensor_of(kLabels);
  return models::batch_hard_triplet_loss(features, labels, features, labels, 2);
}

double expected_identity(const models::ModelOutput& output) {
  return models::identity_loss(output.logits.at("identity"), label_tensor_of(kLabels))
             .sum.item<double>() /
         6;
}

TEST(LossTermsTest, LossesAreUnweightedMeans) {
  const models::ModelOutput output = random_output();
  const StepLosses losses = on_one_rank(both_losses(3, 5), output);
  EXPECT_EQ(losses.losses.size(), 2u);
  EXPECT_NEAR(losses.losses.at("identity"), expected_identity(output), 1e-14);
  EXPECT_NEAR(losses.losses.at("video_triplet"), expected_triplet(output).sum.item<double>() / 6,
              1e-14);
}

TEST(LossTermsTest, TheTotalIsTheWeightedSum) {
  const StepLosses losses = on_one_rank(both_losses(3, 5), random_output());
  EXPECT_NEAR(losses.total,
              3 * losses.losses.at("identity") + 5 * losses.losses.at("video_triplet"), 1e-13);
}

TEST(LossTermsTest, TheLocalTotalOfOneRankIsTheTotal) {
  const StepLosses losses = on_one_rank(both_losses(3, 5), random_output());
  EXPECT_NEAR(losses.local_total.item<double>(), losses.total, 1e-13);
}

TEST(LossTermsTest, ATermThatIsNotAskedForIsNotThere) {
  proto::Loss settings;
  settings.mutable_identity();
  models::ModelOutput output = random_output();
  output.signature.clear();  // and needs nothing
  const StepLosses losses = on_one_rank(settings, output);
  EXPECT_EQ(losses.losses.size(), 1u);
  EXPECT_NEAR(losses.total, losses.losses.at("identity"), 1e-14);
  EXPECT_TRUE(losses.statistics.empty());
}

TEST(LossTermsTest, TheTripletAloneNeedsNoClassifier) {
  proto::Loss settings;
  settings.mutable_video_triplet()->set_margin(2);
  models::ModelOutput output = random_output();
  output.logits.clear();
  const StepLosses losses = on_one_rank(settings, output);
  EXPECT_NEAR(losses.total, expected_triplet(output).sum.item<double>() / 6, 1e-13);
}

TEST(LossTermsTest, TheMarginIsThatOfTheSettings) {
  proto::Loss narrow = both_losses(1, 1), wide = both_losses(1, 1);
  narrow.mutable_video_triplet()->set_margin(20);
  wide.mutable_video_triplet()->set_margin(21);
  EXPECT_NEAR(on_one_rank(wide, random_output()).losses.at("video_triplet") -
                  on_one_rank(narrow, random_output()).losses.at("video_triplet"),
              1, 1e-12);
}

TEST(LossTermsTest, StatisticsAreMeans) {
  const models::ModelOutput output = random_output();
  const StepLosses losses = on_one_rank(both_losses(3, 5), output);
  for (const auto& [name, sum] : expected_triplet(output).statistics) {
    EXPECT_NEAR(losses.statistics.at(name), sum / 6, 1e-13) << name;
  }
}

TEST(LossTermsTest, NoLossAtAllIsRefused) {
  const std::string text = common::failure_text<common::InputError>(
      [] { on_one_rank(proto::Loss::default_instance(), random_output()); });
  EXPECT_TRUE(common::contains(text, "training.loss")) << text;
}

// Shares of the six clips; the second rank of three holds none.
const std::vector<int64_t> kShares = {2, 0, 4};

struct RankResult {
  StepLosses losses;
  double local_total = 0;
  at::Tensor feature_gradient, logit_gradient;
};

RankResult on_rank(const proto::Loss& settings, Communicator& communicator) {
  int64_t first = 0;
  for (int rank = 0; rank < communicator.rank(); ++rank)
    first += kShares[static_cast<size_t>(rank)];
  const int64_t own = kShares[static_cast<size_t>(communicator.rank())];
  const models::ModelOutput whole = random_output();
  const auto share = [&](const at::Tensor& all) {
    return all.detach().narrow(0, first, own).clone().requires_grad_();
  };
  models::ModelOutput output;
  output.signature["features"] = share(whole.signature.at("features"));
  output.logits["identity"] = share(whole.logits.at("identity"));
  const at::Tensor labels = label_tensor_of(kLabels).narrow(0, first, own);
  RankResult result;
  result.losses = step_losses(settings, output, labels, kShares, communicator);
  result.local_total = result.losses.local_total.item<double>();
  result.losses.local_total.backward();
  result.feature_gradient = output.signature.at("features").grad();
  result.logit_gradient = output.logits["identity"].grad();
  return result;
}

std::vector<RankResult> on_three_ranks(const proto::Loss& settings) {
  std::vector<RankResult> results(3);
  run_ranks(3, [&](Communicator& communicator) {
    results[static_cast<size_t>(communicator.rank())] = on_rank(settings, communicator);
  });
  return results;
}

TEST(LossTermsTest, EveryRankKnowsTheTotalsOfTheGlobalBatch) {
  const StepLosses expected = on_one_rank(both_losses(3, 5), random_output());
  for (const RankResult& result : on_three_ranks(both_losses(3, 5))) {
    EXPECT_NEAR(result.losses.total, expected.total, 1e-13);
    for (const auto& [name, value] : expected.losses) {
      EXPECT_NEAR(result.losses.losses.at(name), value, 1e-13) << name;
    }
    for (const auto& [name, value] : expected.statistics) {
      EXPECT_NEAR(result.losses.statistics.at(name), value, 1e-6) << name;
    }
  }
}

TEST(LossTermsTest, LocalTotalsAddUpToTheTotal) {
  double sum = 0;
  const std::vector<RankResult> results = on_three_ranks(both_losses(3, 5));
  for (const RankResult& result : results) sum += result.local_total;
  EXPECT_NEAR(sum, results[0].losses.total, 1e-13);
  EXPECT_EQ(results[1].local_total, 0) << "a rank without clips";
}

TEST(LossTermsTest, GradientsOfAllRanksAreThoseOfOneRank) {
  const models::ModelOutput whole = random_output();
  on_one_rank(both_losses(3, 5), whole).local_total.backward();
  std::vector<at::Tensor> features, logits;
  for (const RankResult& result : on_three_ranks(both_losses(3, 5))) {
    features.push_back(result.feature_gradient);
    logits.push_back(result.logit_gradient);
  }
  EXPECT_LT(models::largest_difference(at::cat(features), whole.signature.at("features").grad()),
            1e-13);
  EXPECT_LT(models::largest_difference(at::cat(logits), whole.logits.at("identity").grad()), 1e-14);
}

// The losses of pairs, triplets and parts, on outputs of one rank.
models::ModelOutput whole_output() {
  models::ModelOutput output = random_output();
  output.signature["maps"] = normal_tensor({6, 3}, 3).requires_grad_();
  output.signature["global"] = normal_tensor({6, 5}, 4).requires_grad_();
  output.signature["parts"] = normal_tensor({6, 2, 4}, 5).requires_grad_();
  output.signature["attention"] = (normal_tensor({6, 2}, 6).abs() + 0.1).requires_grad_();
  return output;
}

// |x - y| of rows of a tensor, in float64.
double distance_of_rows(const at::Tensor& rows, int64_t x, int64_t y) {
  return (rows[x] - rows[y]).norm().item<double>();
}

TEST(LossTermsTest, OtherHeadsHaveTheAuxiliaryWeight) {
  proto::Loss settings;
  settings.mutable_identity()->set_weight(3);
  settings.mutable_identity()->set_auxiliary_weight(0.5);
  models::ModelOutput output = random_output();
  output.logits["parts"] = normal_tensor({6, 2, 3}, 7).requires_grad_();
  const StepLosses losses = on_one_rank(settings, output);
  EXPECT_NEAR(losses.total, 3 * losses.losses.at("identity") + 1.5 * losses.losses.at("parts"),
              1e-13);
}

TEST(LossTermsTest, VerificationJudgesClipsSideBySide) {
  proto::Loss settings;
  settings.mutable_verification()->set_margin(9);
  const models::ModelOutput output = whole_output();
  const at::Tensor& features = output.signature.at("features");
  // Labels 0, 1 | 0, 1 | 2, 2: two persons, two persons, one.
  const double expected = 9 - distance_of_rows(features, 0, 1) + 9 -
                          distance_of_rows(features, 2, 3) +
                          std::pow(distance_of_rows(features, 4, 5), 2);
  EXPECT_NEAR(on_one_rank(settings, output).losses.at("verification"), expected / 3, 1e-12);
}

TEST(LossTermsTest, PartTripletsAreOfTheParts) {
  proto::Loss settings;
  settings.mutable_part_triplet()->set_margin(2);
  const models::ModelOutput output = whole_output();
  const at::Tensor& parts = output.signature.at("parts");
  const at::Tensor labels = label_tensor_of(kLabels);
  const models::LossTerm term = models::part_triplet_loss(parts, labels, parts, labels, 2);
  const StepLosses losses = on_one_rank(settings, output);
  EXPECT_NEAR(losses.total, term.sum.item<double>() / 6, 1e-13);
  EXPECT_EQ(losses.statistics.count("part_triplet_active_share"), 1u);
}

TEST(LossTermsTest, TripletsAreAnchorPositiveNegative) {
  proto::Loss settings;
  settings.mutable_attentive_triplet()->set_weight(2);
  settings.mutable_attentive_triplet()->set_global_margin(9);
  settings.mutable_attentive_triplet()->set_part_margin(8);
  const models::ModelOutput output = whole_output();
  const at::Tensor& global = output.signature.at("global");
  const at::Tensor& parts = output.signature.at("parts");
  const at::Tensor& attention = output.signature.at("attention");
  const auto local = [&](int64_t x, int64_t y) {
    const auto row = [](const at::Tensor& all, int64_t i) { return all.narrow(0, i, 1); };
    return models::attentive_distance(row(parts, x), row(attention, x), row(parts, y),
                                      row(attention, y))
        .item<double>();
  };
  double expected_global = 0, expected_local = 0;
  for (const int64_t anchor : {0, 3}) {
    expected_global += distance_of_rows(global, anchor, anchor + 1) -
                       distance_of_rows(global, anchor, anchor + 2) + 9;
    expected_local += local(anchor, anchor + 1) - local(anchor, anchor + 2) + 8;
  }
  const StepLosses losses = on_one_rank(settings, output);
  EXPECT_NEAR(losses.losses.at("global_triplet"), expected_global / 2, 1e-12);
  EXPECT_NEAR(losses.losses.at("local_triplet"), expected_local / 2, 1e-12);
  EXPECT_NEAR(losses.total, 2 * (expected_global / 2 + 0.3 * expected_local / 2), 1e-12);
}

TEST(LossTermsTest, NormalisedTripletsTakeNoLength) {
  proto::Loss settings;
  settings.mutable_attentive_triplet()->set_normalise(true);
  models::ModelOutput output = whole_output(), longer = whole_output();
  longer.signature["global"] = longer.signature["global"] * 5;
  longer.signature["parts"] = longer.signature["parts"] * 5;
  EXPECT_NEAR(on_one_rank(settings, output).total, on_one_rank(settings, longer).total, 1e-12);
}

StepLosses with_judge(const proto::Loss& settings, const models::ModelOutput& output,
                      SmallPairModel& model, bool training) {
  static const auto alone = create_single_communicator();
  models::ForwardContext context;
  context.training = training;
  if (training) context.clip_keys = {11, 12, 13, 14, 15, 16};
  return step_losses(settings, output, label_tensor_of(kLabels), {6}, *alone, {&model, &context});
}

// Against pairs found one by one, among features as they are or of unit length.
void expect_hardest_pairs(bool normalise) {
  proto::Loss settings;
  settings.mutable_pair();
  settings.mutable_video_triplet()->set_normalise(normalise);
  settings.mutable_video_triplet()->set_weight(0);
  models::ModelOutput output = whole_output();
  // Lengths that change who is near.
  output.signature.at("features") =
      output.signature.at("features") * at::tensor({1.0, 4.0, 0.2, 2.0, 0.5, 9.0}).unsqueeze(1);
  SmallPairModel model;
  const StepLosses losses = with_judge(settings, output, model, false);
  at::Tensor features = output.signature.at("features");
  if (normalise) features = features / features.norm(2, 1, true);
  const std::vector<int64_t> positives = {2, 3, 0, 1, 5, 4};
  double sum = 0;
  for (int64_t anchor = 0; anchor < 6; ++anchor) {
    int64_t negative = -1;
    for (int64_t row = 0; row < 6; ++row) {
      if (kLabels[static_cast<size_t>(row)] == kLabels[static_cast<size_t>(anchor)]) continue;
      if (negative < 0 ||
          distance_of_rows(features, anchor, row) < distance_of_rows(features, anchor, negative)) {
        negative = row;
      }
    }
    const auto row = [&](int64_t i) {
      return models::Signature{{"maps", output.signature.at("maps").narrow(0, i, 1)}};
    };
    const auto log_probability = [&](int64_t other, int64_t truth) {
      const at::Tensor logits = model.pair_logits(row(anchor), row(other), {});
      return at::log_softmax(logits, 1)[0][truth].item<double>();
    };
    sum -=
        log_probability(positives[static_cast<size_t>(anchor)], 1) + log_probability(negative, 0);
  }
  EXPECT_NEAR(losses.total, sum / 12, 1e-12) << normalise;
}

TEST(LossTermsTest, PairsAreEveryAnchorWithItsPositiveAndItsHardestNegative) {
  expect_hardest_pairs(/*normalise=*/false);
}

TEST(LossTermsTest, PairsAreMinedAmongTheVectorsOfTheTriplet) {
  expect_hardest_pairs(/*normalise=*/true);
}

TEST(LossTermsTest, PairsAreJudgedInOneCallWithKeysOfTheirOwn) {
  proto::Loss settings;
  settings.mutable_pair();
  SmallPairModel model;
  with_judge(settings, whole_output(), model, true);
  EXPECT_EQ(model.calls, 1);
  const std::set<uint64_t> keys(model.last_keys.begin(), model.last_keys.end());
  EXPECT_EQ(keys.size(), 12u);
  for (const uint64_t own : {11, 12, 13, 14, 15, 16}) EXPECT_EQ(keys.count(own), 0u);
}

TEST(LossTermsTest, PairsWithoutFeaturesAreNeighbours) {
  proto::Loss settings;
  settings.mutable_pair();
  models::ModelOutput output = whole_output();
  output.signature.erase("features");
  SmallPairModel model;
  EXPECT_GT(with_judge(settings, output, model, false).total, 0);
}

TEST(LossTermsTest, ABatchWithoutAnyPairHasNoPairLoss) {
  proto::Loss settings;
  settings.mutable_pair();
  settings.mutable_identity();
  SmallPairModel model;
  models::ForwardContext context;
  const auto alone = create_single_communicator();
  const StepLosses losses = step_losses(settings, whole_output(), at::zeros({6}, at::kLong), {6},
                                        *alone, {&model, &context});
  EXPECT_EQ(losses.losses.at("pair"), 0);
  EXPECT_NEAR(losses.total, losses.losses.at("identity"), 1e-14);
}

TEST(LossTermsTest, ALossThatTheNetworkCannotServeIsRefused) {
  proto::Loss settings;
  settings.mutable_part_triplet();
  const std::string text =
      common::failure_text<common::InputError>([&] { on_one_rank(settings, random_output()); });
  EXPECT_TRUE(common::contains(text, "training.loss.part_triplet")) << text;
}

}  // namespace
}  // namespace muster::trainer
