#include "trainer/optimizer_setup.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

// One float64 parameter of one element that is stepped with given gradients.
class Scalar {
 public:
  Scalar(const proto::Optimizer& settings, double start)
      : value_(at::full({1}, start, at::kDouble).requires_grad_()),
        update_(create_parameter_update(settings, {{"w", value_}})) {}
  double step(double gradient) {
    value_.mutable_grad() = at::full({1}, gradient, at::kDouble);
    norm_ = update_->apply(++steps_);
    return value_.item<double>();
  }
  double norm() const { return norm_; }
  const at::Tensor& tensor() const { return value_; }

 private:
  at::Tensor value_;
  std::unique_ptr<ParameterUpdate> update_;
  int64_t steps_ = 0;
  double norm_ = 0;
};

proto::Optimizer sgd(double rate, double momentum, bool nesterov = false, double decay = 0) {
  proto::Optimizer settings;
  settings.set_learning_rate(rate);
  settings.mutable_sgd()->set_momentum(momentum);
  settings.mutable_sgd()->set_nesterov(nesterov);
  settings.mutable_sgd()->set_weight_decay(decay);
  return settings;
}

proto::Optimizer adam(double rate, double decay = 0) {
  proto::Optimizer settings;
  settings.set_learning_rate(rate);
  settings.mutable_adam()->set_weight_decay(decay);
  return settings;
}

TEST(OptimizerSetupTest, PlainSgdSubtractsTheGradient) {
  Scalar scalar(sgd(0.1, 0), 1);
  EXPECT_NEAR(scalar.step(2), 1 - 0.1 * 2, 1e-15);
  EXPECT_NEAR(scalar.step(3), 1 - 0.1 * 2 - 0.1 * 3, 1e-15);
}

TEST(OptimizerSetupTest, MomentumAddsEarlierGradients) {
  Scalar scalar(sgd(0.1, 0.9), 1);
  const double first = scalar.step(2);
  EXPECT_NEAR(first, 1 - 0.1 * 2, 1e-15);
  EXPECT_NEAR(scalar.step(3), first - 0.1 * (0.9 * 2 + 3), 1e-15);
}

TEST(OptimizerSetupTest, NesterovLooksAhead) {
  Scalar scalar(sgd(0.1, 0.9, true), 1);
  const double first = scalar.step(2);
  EXPECT_NEAR(first, 1 - 0.1 * (2 + 0.9 * 2), 1e-15);
  const double momentum = 0.9 * 2 + 3;
  EXPECT_NEAR(scalar.step(3), first - 0.1 * (3 + 0.9 * momentum), 1e-15);
}

TEST(OptimizerSetupTest, WeightDecayPullsTowardsZero) {
  Scalar scalar(sgd(0.1, 0, false, 0.5), 4);
  EXPECT_NEAR(scalar.step(2), 4 - 0.1 * (2 + 0.5 * 4), 1e-15);
}

TEST(OptimizerSetupTest, WithoutAMethodItIsSgdWithMomentum) {
  proto::Optimizer settings;
  settings.set_learning_rate(0.1);
  Scalar scalar(settings, 1);
  const double first = scalar.step(2);
  EXPECT_NEAR(scalar.step(2), first - 0.1 * (0.9 * 2 + 2), 1e-15);
}

TEST(OptimizerSetupTest, AdamFollowsItsFormula) {
  Scalar scalar(adam(0.1), 1);
  double weight = 1, mean = 0, square = 0;
  const double gradients[] = {2, -3, 0.5};
  for (int t = 1; t <= 3; ++t) {
    const double gradient = gradients[t - 1];
    mean = 0.9 * mean + 0.1 * gradient;
    square = 0.999 * square + 0.001 * gradient * gradient;
    weight -= 0.1 * (mean / (1 - std::pow(0.9, t))) /
              (std::sqrt(square / (1 - std::pow(0.999, t))) + 1e-8);
    EXPECT_NEAR(scalar.step(gradient), weight, 1e-12) << t;
  }
}

TEST(OptimizerSetupTest, AdamAddsWeightDecayToTheGradient) {
  Scalar scalar(adam(0.1, 0.5), -4);  // gradient 1 - 2: the step turns round
  EXPECT_NEAR(scalar.step(1), -4 + 0.1, 1e-8);
}

TEST(OptimizerSetupTest, GradientsAreClampedElementWise) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0.5);
  const at::Tensor value = at::zeros({3}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"w", value}});
  value.mutable_grad() = at::tensor({3.0, -4.0, 0.25}, at::kDouble);
  update->apply(1);
  const at::Tensor expected = at::tensor({-0.5, 0.5, -0.25}, at::kDouble);
  EXPECT_TRUE(value.detach().eq(expected).all().item<bool>());
}

TEST(OptimizerSetupTest, TheDefaultClampIsFive) {
  Scalar scalar(sgd(1, 0), 0);
  EXPECT_EQ(scalar.step(100), -5);
}

TEST(OptimizerSetupTest, ClampZeroIsOff) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0);
  EXPECT_EQ(Scalar(settings, 0).step(100), -100);
}

TEST(OptimizerSetupTest, TellsTheNormBeforeClamping) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0.5);
  const at::Tensor first = at::zeros({1}, at::kDouble).requires_grad_();
  const at::Tensor second = at::zeros({2}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"a", first}, {"b", second}});
  first.mutable_grad() = at::full({1}, 2, at::kDouble);
  second.mutable_grad() = at::tensor({3.0, -6.0}, at::kDouble);
  EXPECT_NEAR(update->apply(1), 7, 1e-12);
}

TEST(OptimizerSetupTest, GradientsAreClearedAfterAStep) {
  Scalar scalar(sgd(1, 0), 0);
  scalar.step(1);
  const at::Tensor gradient = scalar.tensor().grad();
  EXPECT_TRUE(!gradient.defined() || gradient.item<double>() == 0);
}

TEST(OptimizerSetupTest, TheRateFallsAfterEachDecayStep) {
  proto::Optimizer settings = sgd(0.5, 0);
  settings.add_decay_steps(10);
  settings.add_decay_steps(20);
  const at::Tensor value = at::zeros({1}).requires_grad_();
  const auto update = create_parameter_update(settings, {{"w", value}});
  EXPECT_DOUBLE_EQ(update->learning_rate(1), 0.5);
  EXPECT_DOUBLE_EQ(update->learning_rate(10), 0.5);
  EXPECT_DOUBLE_EQ(update->learning_rate(11), 0.05);
  EXPECT_DOUBLE_EQ(update->learning_rate(20), 0.05);
  EXPECT_DOUBLE_EQ(update->learning_rate(21), 0.005);
}

TEST(OptimizerSetupTest, StepsUseTheRateOfTheirStep) {
  proto::Optimizer settings = sgd(1, 0);
  settings.add_decay_steps(1);
  Scalar scalar(settings, 0);
  EXPECT_DOUBLE_EQ(scalar.step(1), -1);
  EXPECT_DOUBLE_EQ(scalar.step(1), -1.1);
}

void expect_refused(const proto::Optimizer& settings, const std::string& field) {
  const at::Tensor value = at::zeros({1}).requires_grad_();
  const std::string text = common::failure_text<common::InputError>([&] {
    create_parameter_update(settings, {{"w", value}});
  });
  EXPECT_TRUE(common::contains(text, field)) << text;
}

TEST(OptimizerSetupTest, RefusesLearningRatesThatAreNone) {
  for (const double rate : {-0.1, std::nan(""), std::numeric_limits<double>::infinity()}) {
    expect_refused(sgd(rate, 0.9), "training.optimizer.learning_rate");
  }
}

TEST(OptimizerSetupTest, RefusesNesterovWithoutMomentum) {
  expect_refused(sgd(0.1, 0, true), "training.optimizer.sgd.nesterov");
}

TEST(OptimizerSetupTest, RefusesNegativeMomentum) {
  expect_refused(sgd(0.1, -0.5), "training.optimizer.sgd.momentum");
}

TEST(OptimizerSetupTest, RefusesNegativeWeightDecay) {
  expect_refused(sgd(0.1, 0.9, false, -1), "training.optimizer.sgd.weight_decay");
  expect_refused(adam(0.1, -1), "training.optimizer.adam.weight_decay");
}

TEST(OptimizerSetupTest, RefusesANegativeDecayStep) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.add_decay_steps(10);
  settings.add_decay_steps(-3);
  expect_refused(settings, "training.optimizer.decay_steps: -3");
}

TEST(OptimizerSetupTest, RefusesANegativeClamp) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.set_gradient_clamp(-1);
  expect_refused(settings, "training.optimizer.gradient_clamp");
}

TEST(OptimizerSetupTest, RefusesAClampThatIsNoNumber) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.set_gradient_clamp(std::nan(""));
  expect_refused(settings, "training.optimizer.gradient_clamp");
}

}  // namespace
}  // namespace muster::trainer
