// Training is the same on any number of ranks: gradients, losses, mining, weights. And the measure
// that says so notices what goes wrong across ranks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "tests/models/support.h"
#include "tests/ranks/small_training.h"
#include "tests/ranks/world.h"
#include "trainer/parameter_update.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

constexpr double kNoDropout = 0, kDropout = 0.6;

void tell(const std::string& what, double measured, double bound) {
  if (world().rank() != 0) return;
  std::cout << "  " << what << ": " << measured << ", bound " << bound << "\n";
}

StepResult step_alone(at::ScalarType type, double dropout, int64_t clips) {
  return run_step(*small_model(type, dropout), small_batch(clips, type),
                  *create_single_communicator());
}

StepResult step_together(at::ScalarType type, double dropout, int64_t clips,
                         Fault fault = Fault::kNone) {
  return run_step(*small_model(type, dropout), small_batch(clips, type), world(), fault);
}

// What the gradient may differ by: 10 x what permuting the batch gives, and never over 1e-9.
double float64_bound(double dropout, int64_t clips) {
  static std::map<std::pair<double, int64_t>, double> known;
  const auto [entry, is_new] = known.try_emplace({dropout, clips}, 0.0);
  if (is_new) entry->second = permutation_difference(at::kDouble, dropout, clips);
  return std::min(1e-9, std::max(1e-15, 10 * entry->second));
}

// Five clips are shared unequally by 2, 3 and 4 ranks; of three clips one of 4 ranks gets none.
class ExactnessTest : public testing::TestWithParam<int64_t> {};

INSTANTIATE_TEST_SUITE_P(Clips, ExactnessTest, testing::Values(5, 3),
                         [](const auto& test) { return "Of" + std::to_string(test.param); });

TEST_P(ExactnessTest, GradientInFloat64) {
  const double bound = float64_bound(kNoDropout, GetParam());
  const double difference =
      relative_difference(step_together(at::kDouble, kNoDropout, GetParam()).gradient,
                          step_alone(at::kDouble, kNoDropout, GetParam()).gradient);
  tell("relative difference of the gradient", difference, bound);
  EXPECT_LE(difference, bound);
}

TEST_P(ExactnessTest, GradientWithDropoutInFloat64) {
  const double bound = float64_bound(kDropout, GetParam());
  const double difference =
      relative_difference(step_together(at::kDouble, kDropout, GetParam()).gradient,
                          step_alone(at::kDouble, kDropout, GetParam()).gradient);
  tell("relative difference of the gradient", difference, bound);
  EXPECT_LE(difference, bound);
}

TEST_P(ExactnessTest, GradientInFloat32) {
  const double difference =
      relative_difference(step_together(at::kFloat, kDropout, GetParam()).gradient,
                          step_alone(at::kFloat, kDropout, GetParam()).gradient);
  tell("relative difference of the gradient", difference, 1e-3);
  EXPECT_LE(difference, 1e-3);
}

TEST_P(ExactnessTest, TotalLoss) {
  const double alone = step_alone(at::kDouble, kDropout, GetParam()).total;
  const double together = step_together(at::kDouble, kDropout, GetParam()).total;
  EXPECT_GT(alone, 0);
  EXPECT_NEAR(together, alone, 1e-13 * alone);
}

TEST_P(ExactnessTest, EveryRankKnowsTheSameTotal) {
  double total = step_together(at::kDouble, kDropout, GetParam()).total, of_rank_0 = total;
  world().broadcast(&of_rank_0, 1, ElementType::kFloat64, 0);
  EXPECT_EQ(total, of_rank_0);
}

TEST_P(ExactnessTest, MinedRows) {
  EXPECT_TRUE(models::same_values(step_together(at::kDouble, kDropout, GetParam()).mined,
                                  step_alone(at::kDouble, kDropout, GetParam()).mined));
}

TEST_P(ExactnessTest, EveryRankGetsTheSameGradient) {
  const at::Tensor gradient = step_together(at::kDouble, kDropout, GetParam()).gradient;
  at::Tensor of_rank_0 = gradient.clone();
  world().broadcast(of_rank_0.data_ptr(), of_rank_0.numel(), ElementType::kFloat64, 0);
  EXPECT_TRUE(models::same_values(gradient, of_rank_0));
}

at::Tensor flat_weights(const models::Model& model) {
  std::vector<at::Tensor> weights;
  for (const auto& [name, value] : model.parameters()) weights.push_back(value.detach().flatten());
  return at::cat(weights);
}

// How far three steps of SGD with momentum move the weights.
at::Tensor movement_of_three_steps(Communicator& communicator) {
  const auto model = small_model(at::kDouble, kDropout);
  const at::Tensor first = flat_weights(*model);
  proto::Optimizer settings;
  settings.set_learning_rate(0.05);
  const auto update = create_parameter_update(settings, model->parameters());
  GradientReducer reducer(model->parameters(), communicator, small_buckets());
  for (uint64_t step = 1; step <= 3; ++step) {
    run_step(*model, small_batch(5, at::kDouble, step), communicator, Fault::kNone, &reducer);
    update->apply(static_cast<int64_t>(step));
  }
  return flat_weights(*model) - first;
}

TEST(TrainedWeightsTest, AfterThreeStepsAreThoseOfOneRank) {
  const at::Tensor alone = movement_of_three_steps(*create_single_communicator());
  const double difference = relative_difference(movement_of_three_steps(world()), alone);
  tell("relative difference of the weights' movement", difference, 1e-9);
  EXPECT_LE(difference, 1e-9);
}

// A planted fault must show: the same measure, the same bound.
void expect_detected(Fault fault, int64_t clips) {
  const double bound = float64_bound(kNoDropout, clips);
  const double difference =
      relative_difference(step_together(at::kDouble, kNoDropout, clips, fault).gradient,
                          step_alone(at::kDouble, kNoDropout, clips).gradient);
  tell("relative difference of the faulty gradient", difference, bound);
  if (world().size() > 1) {
    EXPECT_GT(difference, bound);
    EXPECT_GT(difference, 1e-3) << "also in float32";
  }
}

TEST(PlantedFaultTest, AGradientScaledByRanksIsDetected) {
  expect_detected(Fault::kScaledByRanks, 5);
}

TEST(PlantedFaultTest, MeansOverUnequalSharesAreDetected) { expect_detected(Fault::kOwnCounts, 5); }

TEST(PlantedFaultTest, MeansWithAnEmptyShareAreDetected) {
  // One clip less than ranks: somebody has none, whatever the number of ranks.
  expect_detected(Fault::kOwnCounts, std::max(1, world().size() - 1));
}

TEST(PlantedFaultTest, AGatherWithoutGradientIsDetected) {
  expect_detected(Fault::kGatherWithoutGradient, 5);
}

}  // namespace
}  // namespace muster::trainer
