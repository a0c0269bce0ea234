#include "trainer/loss_terms.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/losses.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/models/support.h"

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

}  // namespace
}  // namespace muster::trainer
