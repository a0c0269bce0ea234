#include "models/layers/batch_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>

#include "common/error.h"
#include "tests/models/loss_support.h"

namespace muster::models {
namespace {

constexpr double kEpsilon = 1e-3;

// One rank that believes it has peers: the path that sums over ranks.
class BelievedPeers : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local.clone(); }
  bool alone() const override { return false; }
};

// Results of one or two passes: outputs, gradients and running statistics.
struct NormResult {
  at::Tensor output, input_gradient, weight_gradient, bias_gradient, mean, variance;
};

void expect_equal(const NormResult& left, const NormResult& right) {
  EXPECT_LT(largest_difference(left.output, right.output), 1e-11);
  EXPECT_LT(largest_difference(left.input_gradient, right.input_gradient), 1e-11);
  EXPECT_LT(largest_difference(left.weight_gradient, right.weight_gradient), 1e-11);
  EXPECT_LT(largest_difference(left.bias_gradient, right.bias_gradient), 1e-11);
  EXPECT_LT(largest_difference(left.mean, right.mean), 1e-11);
  EXPECT_LT(largest_difference(left.variance, right.variance), 1e-11);
}

// Two training passes, the second one differentiated; `forward` maps maps to normalised maps.
template <typename Module, typename Forward>
NormResult two_passes(Module& module, const Forward& forward) {
  module.to(at::kDouble);
  auto parameters = module.named_parameters();
  {
    const at::NoGradGuard constants;
    parameters["weight"].copy_(normal_tensor({3}, 1));
    parameters["bias"].copy_(normal_tensor({3}, 2));
  }
  forward(normal_tensor({4, 3, 2, 5}, 3) * 3 + 7);
  const at::Tensor maps = (normal_tensor({5, 3, 2, 4}, 4) + 2).requires_grad_();
  NormResult result;
  const at::Tensor output = forward(maps);
  (output.tanh() * normal_tensor({5, 3, 2, 4}, 5)).sum().backward();
  result.output = output.detach();
  result.input_gradient = maps.grad();
  result.weight_gradient = parameters["weight"].grad();
  result.bias_gradient = parameters["bias"].grad();
  auto buffers = module.named_buffers();
  result.mean = buffers["running_mean"];
  result.variance = buffers["running_var"];
  return result;
}

NormResult of_torch() {
  torch::nn::BatchNorm2d module(torch::nn::BatchNorm2dOptions(3).eps(kEpsilon));
  return two_passes(*module, [&](const at::Tensor& maps) { return module(maps); });
}

NormResult of_ours(StatisticsExchange& exchange) {
  BatchNorm module(3, kEpsilon);
  ForwardContext context;
  context.training = true;
  context.statistics = &exchange;
  return two_passes(module, [&](const at::Tensor& maps) { return module.forward(maps, context); });
}

TEST(BatchNormTest, AloneIsTorchsBatchNorm) {
  OwnStatistics alone;
  expect_equal(of_ours(alone), of_torch());
}

TEST(BatchNormTest, WithPeersIsTorchsBatchNorm) {
  BelievedPeers peers;
  expect_equal(of_ours(peers), of_torch());
}

TEST(BatchNormTest, EvaluatesByTheRunningStatistics) {
  BatchNorm module(2, kEpsilon);
  module.to(at::kDouble);
  auto buffers = module.named_buffers();
  buffers["running_mean"].copy_(at::tensor({1.0, -2.0}, at::kDouble));
  buffers["running_var"].copy_(at::tensor({4.0, 0.25}, at::kDouble));
  const at::Tensor values = normal_tensor({3, 2}, 6);
  const at::Tensor output = module.forward(values, evaluation_context());
  for (int64_t row = 0; row < 3; ++row) {
    EXPECT_NEAR(output[row][0].item<double>(),
                (values[row][0].item<double>() - 1) / std::sqrt(4 + kEpsilon), 1e-12);
    EXPECT_NEAR(output[row][1].item<double>(),
                (values[row][1].item<double>() + 2) / std::sqrt(0.25 + kEpsilon), 1e-12);
  }
  EXPECT_EQ(buffers["running_mean"][0].item<double>(), 1);
}

TEST(BatchNormTest, GradientWithPeersEqualsFiniteDifferences) {
  BelievedPeers peers;
  ForwardContext context;
  context.training = true;
  context.statistics = &peers;
  BatchNorm module(2, kEpsilon);
  module.to(at::kDouble);
  const at::Tensor values = normal_tensor({3, 2, 2}, 7).requires_grad_();
  const at::Tensor weights = normal_tensor({3, 2, 2}, 8);
  auto parameters = module.named_parameters();
  expect_gradients({values, parameters["weight"], parameters["bias"]},
                   [&] { return (module.forward(values, context).tanh() * weights).sum(); });
}

TEST(BatchNormTest, OneValuePerChannelLeavesTheRunningVariance) {
  OwnStatistics alone;
  BelievedPeers peers;
  for (StatisticsExchange* exchange :
       {static_cast<StatisticsExchange*>(&alone), static_cast<StatisticsExchange*>(&peers)}) {
    BatchNorm module(2, kEpsilon);
    module.to(at::kDouble);
    auto buffers = module.named_buffers();
    buffers["running_var"].copy_(at::tensor({4.0, 0.25}, at::kDouble));
    ForwardContext context;
    context.training = true;
    context.statistics = exchange;
    const at::Tensor values = at::tensor({3.0, -5.0}, at::kDouble).view({1, 2, 1, 1});
    const at::Tensor output = module.forward(values, context);
    EXPECT_TRUE(same_values(output, at::zeros_like(output)));
    EXPECT_NEAR(buffers["running_mean"][0].item<double>(), 0.3, 1e-15);
    EXPECT_NEAR(buffers["running_mean"][1].item<double>(), -0.5, 1e-15);
    EXPECT_EQ(buffers["running_var"][0].item<double>(), 4);
    EXPECT_EQ(buffers["running_var"][1].item<double>(), 0.25);
  }
}

TEST(BatchNormTest, EvaluatesNoRows) {
  BatchNorm module(2, kEpsilon);
  EXPECT_EQ(module.forward(at::zeros({0, 2, 3, 3}), evaluation_context()).sizes(),
            (std::vector<int64_t>{0, 2, 3, 3}));
}

TEST(BatchNormTest, DemandsItsChannels) {
  BatchNorm module(2, kEpsilon);
  EXPECT_THROW(module.forward(at::zeros({1, 3}), evaluation_context()), common::RequirementError);
}

}  // namespace
}  // namespace muster::models
