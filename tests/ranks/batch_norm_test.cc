// Batch normalisation over ranks is that of one process: outputs, gradients, running statistics.
#include "models/layers/batch_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/models/support.h"
#include "tests/ranks/world.h"
#include "tests/trainer/naive_gradient_sum.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

constexpr double kNormBound = 1e-11;
constexpr int64_t kMaps = 6;

// What two training passes leave; the second one is differentiated. Everything of all ranks in a
// row.
struct NormAcross {
  at::Tensor output, input_gradient, parameter_gradients, running;
};

NormAcross norm_across(const std::vector<int64_t>& counts, Communicator& communicator,
                       models::StatisticsExchange& exchange) {
  const int64_t first =
      std::accumulate(counts.begin(), counts.begin() + communicator.rank(), int64_t{0});
  const int64_t own = counts[static_cast<size_t>(communicator.rank())];
  const auto share = [&](uint64_t key) {
    return models::normal_tensor({kMaps, 3, 2, 2}, key).narrow(0, first, own).clone();
  };
  models::BatchNorm module(3, 1e-3);
  module.to(at::kDouble);
  auto parameters = module.named_parameters();
  {
    const at::NoGradGuard constants;
    parameters["weight"].copy_(models::normal_tensor({3}, 1));
    parameters["bias"].copy_(models::normal_tensor({3}, 2));
  }
  models::ForwardContext context;
  context.training = true;
  context.statistics = &exchange;
  module.forward(share(3) * 3 + 5, context);
  const at::Tensor maps = (share(4) + 2).requires_grad_();
  const at::Tensor output = module.forward(maps, context);
  (output.tanh() * share(5)).sum().backward();
  sum_gradients({{"weight", parameters["weight"]}, {"bias", parameters["bias"]}}, communicator);
  auto buffers = module.named_buffers();
  return {gather_constant_rows(output.detach(), counts, communicator),
          gather_constant_rows(maps.grad(), counts, communicator),
          at::cat({parameters["weight"].grad(), parameters["bias"].grad()}),
          at::cat({buffers["running_mean"], buffers["running_var"]})};
}

NormAcross norm_alone() {
  const auto alone = create_single_communicator();
  models::OwnStatistics statistics;
  return norm_across({kMaps}, *alone, statistics);
}

void expect_norm_of_one_process(const std::vector<int64_t>& counts) {
  CommunicatorStatisticsExchange exchange(world());
  const NormAcross together = norm_across(counts, world(), exchange), alone = norm_alone();
  EXPECT_LT(models::largest_difference(together.output, alone.output), kNormBound);
  EXPECT_LT(models::largest_difference(together.input_gradient, alone.input_gradient), kNormBound);
  EXPECT_LT(models::largest_difference(together.parameter_gradients, alone.parameter_gradients),
            kNormBound);
  EXPECT_LT(models::largest_difference(together.running, alone.running), kNormBound);
}

const std::vector<std::vector<int64_t>> kUnequal = {{6}, {5, 1}, {1, 2, 3}, {1, 1, 3, 1}};
const std::vector<std::vector<int64_t>> kWithAnEmptyRank = {{6}, {0, 6}, {4, 0, 2}, {1, 0, 5, 0}};

const std::vector<int64_t>& of_this_world(const std::vector<std::vector<int64_t>>& shares) {
  return shares.at(static_cast<size_t>(world().size() - 1));
}

TEST(BatchNormAcrossRanksTest, UnequalSharesEqualOneProcess) {
  expect_norm_of_one_process(of_this_world(kUnequal));
}

TEST(BatchNormAcrossRanksTest, APassIsOneMessageAndSoIsItsGradient) {
  CommunicatorStatisticsExchange exchange(world());
  norm_across(of_this_world(kUnequal), world(), exchange);
  EXPECT_EQ(exchange.messages(), world().size() == 1 ? 0 : 3)
      << "of two passes, one differentiated";
  EXPECT_EQ(exchange.seconds() > 0, world().size() > 1);
}

TEST(BatchNormAcrossRanksTest, ARankWithoutClipsTakesPart) {
  expect_norm_of_one_process(of_this_world(kWithAnEmptyRank));
}

TEST(BatchNormAcrossRanksTest, RunningStatisticsAreTheSameBitsOnEveryRank) {
  CommunicatorStatisticsExchange exchange(world());
  const at::Tensor running =
      norm_across(of_this_world(kWithAnEmptyRank), world(), exchange).running;
  at::Tensor of_rank_0 = running.clone();
  world().broadcast(of_rank_0.data_ptr(), of_rank_0.numel(), ElementType::kFloat64, 0);
  EXPECT_TRUE(models::same_values(running, of_rank_0));
}

// Squares of the values lose all digits of their deviation in float32. No pass went before: the
// running mean is 0.
TEST(BatchNormAcrossRanksTest, ALargeMeanCostsNoDigits) {
  const std::vector<int64_t>& counts = of_this_world(kUnequal);
  const int64_t first =
      std::accumulate(counts.begin(), counts.begin() + world().rank(), int64_t{0});
  const at::Tensor all = (models::normal_tensor({kMaps, 3, 2, 2}, 6) + 3000).to(at::kFloat);
  models::BatchNorm module(3, 1e-3);
  CommunicatorStatisticsExchange exchange(world());
  models::ForwardContext context;
  context.training = true;
  context.statistics = &exchange;
  const at::Tensor own =
      module.forward(all.narrow(0, first, counts[static_cast<size_t>(world().rank())]), context);
  const at::Tensor exact = all.to(at::kDouble);
  const at::Tensor mean = exact.mean({0, 2, 3}, true);
  const at::Tensor variance = (exact - mean).square().mean({0, 2, 3}, true);
  const at::Tensor expected = (exact - mean) / (variance + 1e-3).sqrt();
  const at::Tensor output = gather_constant_rows(own.detach(), counts, world()).to(at::kDouble);
  // float32's spacing at 3000 is 2.4e-4, in the mean and in its difference from a value.
  EXPECT_LT(models::largest_difference(output, expected), 1e-3);
}

TEST(BatchNormAcrossRanksTest, OwnStatisticsAreDetected) {
  models::OwnStatistics own_statistics;
  const NormAcross together = norm_across(of_this_world(kUnequal), world(), own_statistics);
  const NormAcross alone = norm_alone();
  if (world().size() == 1) return;
  EXPECT_GT(models::largest_difference(together.output, alone.output), 1e-3);
  EXPECT_GT(models::largest_difference(together.input_gradient, alone.input_gradient), 1e-3);
  EXPECT_GT(models::largest_difference(together.running, alone.running), 1e-3);
}

}  // namespace
}  // namespace muster::trainer
