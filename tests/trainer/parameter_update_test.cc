#include "trainer/parameter_update.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

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

TEST(ParameterUpdateTest, PlainSgdSubtractsTheGradient) {
  Scalar scalar(sgd(0.1, 0), 1);
  EXPECT_NEAR(scalar.step(2), 1 - 0.1 * 2, 1e-15);
  EXPECT_NEAR(scalar.step(3), 1 - 0.1 * 2 - 0.1 * 3, 1e-15);
}

TEST(ParameterUpdateTest, MomentumAddsEarlierGradients) {
  Scalar scalar(sgd(0.1, 0.9), 1);
  const double first = scalar.step(2);
  EXPECT_NEAR(first, 1 - 0.1 * 2, 1e-15);
  EXPECT_NEAR(scalar.step(3), first - 0.1 * (0.9 * 2 + 3), 1e-15);
}

TEST(ParameterUpdateTest, NesterovLooksAhead) {
  Scalar scalar(sgd(0.1, 0.9, true), 1);
  const double first = scalar.step(2);
  EXPECT_NEAR(first, 1 - 0.1 * (2 + 0.9 * 2), 1e-15);
  const double momentum = 0.9 * 2 + 3;
  EXPECT_NEAR(scalar.step(3), first - 0.1 * (3 + 0.9 * momentum), 1e-15);
}

TEST(ParameterUpdateTest, WeightDecayPullsTowardsZero) {
  Scalar scalar(sgd(0.1, 0, false, 0.5), 4);
  EXPECT_NEAR(scalar.step(2), 4 - 0.1 * (2 + 0.5 * 4), 1e-15);
}

TEST(ParameterUpdateTest, WithoutAMethodItIsSgdWithMomentum) {
  proto::Optimizer settings;
  settings.set_learning_rate(0.1);
  Scalar scalar(settings, 1);
  const double first = scalar.step(2);
  EXPECT_NEAR(scalar.step(2), first - 0.1 * (0.9 * 2 + 2), 1e-15);
}

TEST(ParameterUpdateTest, AdamFollowsItsFormula) {
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

TEST(ParameterUpdateTest, AdamAddsWeightDecayToTheGradient) {
  Scalar scalar(adam(0.1, 0.5), -4);  // gradient 1 - 2: the step turns round
  EXPECT_NEAR(scalar.step(1), -4 + 0.1, 1e-8);
}

TEST(ParameterUpdateTest, GradientsAreClampedElementWise) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0.5);
  const at::Tensor value = at::zeros({3}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"w", value}});
  value.mutable_grad() = at::tensor({3.0, -4.0, 0.25}, at::kDouble);
  update->apply(1);
  const at::Tensor expected = at::tensor({-0.5, 0.5, -0.25}, at::kDouble);
  EXPECT_TRUE(value.detach().eq(expected).all().item<bool>());
}

TEST(ParameterUpdateTest, TheDefaultClampIsFive) {
  Scalar scalar(sgd(1, 0), 0);
  EXPECT_EQ(scalar.step(100), -5);
}

TEST(ParameterUpdateTest, ClampZeroIsOff) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0);
  EXPECT_EQ(Scalar(settings, 0).step(100), -100);
}

TEST(ParameterUpdateTest, TellsTheNormBeforeClamping) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0.5);
  const at::Tensor first = at::zeros({1}, at::kDouble).requires_grad_();
  const at::Tensor second = at::zeros({2}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"a", first}, {"b", second}});
  first.mutable_grad() = at::full({1}, 2, at::kDouble);
  second.mutable_grad() = at::tensor({3.0, -6.0}, at::kDouble);
  EXPECT_NEAR(update->apply(1), 7, 1e-12);
}

TEST(ParameterUpdateTest, GradientsAreZeroAfterAStepInTheSameMemory) {
  const at::Tensor value = at::zeros({4}).requires_grad_();
  const at::Tensor flat = at::ones({6});  // as the reducer has them
  value.mutable_grad() = flat.narrow(0, 1, 4);
  create_parameter_update(sgd(1, 0.9), {{"w", value}})->apply(1);
  EXPECT_EQ(value.grad().data_ptr(), flat.narrow(0, 1, 4).data_ptr());
  EXPECT_TRUE(flat.eq(at::tensor({1.f, 0.f, 0.f, 0.f, 0.f, 1.f})).all().item<bool>());
}

TEST(ParameterUpdateTest, AnUndefinedGradientCountsAsZeros) {
  const at::Tensor used = at::ones({2}, at::kDouble).requires_grad_();
  const at::Tensor unused = at::ones({2}, at::kDouble).requires_grad_();
  const auto update =
      create_parameter_update(sgd(0.5, 0, false, 0.5), {{"a", used}, {"b", unused}});
  used.mutable_grad() = at::ones({2}, at::kDouble);
  EXPECT_NEAR(update->apply(1), std::sqrt(2), 1e-15);
  EXPECT_EQ(unused[0].item<double>(), 0.75);  // decay alone
  EXPECT_EQ(unused.grad().abs().sum().item<double>(), 0);
}

TEST(ParameterUpdateTest, TransposedGradientsAreReadInTheirOrder) {
  const at::Tensor value = at::zeros({2, 3}, at::kDouble).requires_grad_();
  const at::Tensor gradient = at::arange(6, at::kDouble).reshape({3, 2}).t();
  value.mutable_grad() = gradient.clone(at::MemoryFormat::Preserve);
  ASSERT_FALSE(value.grad().is_contiguous());
  create_parameter_update(sgd(1, 0.9), {{"w", value}})->apply(1);
  EXPECT_TRUE(value.detach().eq(-gradient).all().item<bool>());
  EXPECT_EQ(value.grad().abs().sum().item<double>(), 0);
}

TEST(ParameterUpdateTest, TheWholeGradientIsScaledDownToItsLimit) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(0);
  settings.set_gradient_norm_limit(3.5);
  const at::Tensor a = at::zeros({1}, at::kDouble).requires_grad_();
  const at::Tensor b = at::zeros({2}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"a", a}, {"b", b}});
  a.mutable_grad() = at::full({1}, 2, at::kDouble);
  b.mutable_grad() = at::tensor({3.0, -6.0}, at::kDouble);
  EXPECT_NEAR(update->apply(1), 7, 1e-14);
  EXPECT_NEAR(a.item<double>(), -1, 1e-15);
  EXPECT_NEAR(b[1].item<double>(), 3, 1e-15);
}

TEST(ParameterUpdateTest, ANormBelowItsLimitStays) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_norm_limit(7);
  EXPECT_EQ(Scalar(settings, 0).step(4), -4);
}

TEST(ParameterUpdateTest, TheLimitIsOfTheClampedGradient) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_gradient_clamp(4);
  settings.set_gradient_norm_limit(4.5);
  const at::Tensor value = at::zeros({2}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"w", value}});
  value.mutable_grad() = at::tensor({100.0, 3.0}, at::kDouble);  // clamped: 4, 3
  EXPECT_NEAR(update->apply(1), std::sqrt(10009), 1e-12);
  EXPECT_NEAR(value[0].item<double>(), -3.6, 1e-15);
  EXPECT_NEAR(value[1].item<double>(), -2.7, 1e-15);
}

TEST(ParameterUpdateTest, ABadGradientChangesNothing) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Scalar scalar(adam(0.1), 1), other(adam(0.1), 1);
    scalar.step(2);
    EXPECT_EQ(scalar.step(bad), other.step(2));
    EXPECT_FALSE(std::isfinite(scalar.norm()));
    EXPECT_EQ(names_of_bad_gradients({{"w", scalar.tensor()}}), std::vector<std::string>{"w"});
    EXPECT_EQ(scalar.step(3), other.step(3));  // its moments and its count of steps too
    EXPECT_TRUE(names_of_bad_gradients({{"w", scalar.tensor()}}).empty());
  }
}

proto::ParameterGroup& add_group(proto::Optimizer& settings, const std::string& prefix) {
  settings.add_group()->set_prefix(prefix);
  return *settings.mutable_group(settings.group_size() - 1);
}

TEST(ParameterUpdateTest, GroupsHaveRatesAndDecaysOfTheirOwn) {
  proto::Optimizer settings = sgd(0.5, 0, false, 0.25);
  add_group(settings, "slow").set_learning_rate_factor(0.5);
  add_group(settings, "free").set_weight_decay_factor(0);
  models::NamedTensors named;
  for (const std::string name : {"slow.w", "free.w", "other"}) {
    named.emplace_back(name, at::full({1}, 4, at::kDouble).requires_grad_());
    named.back().second.mutable_grad() = at::full({1}, 2, at::kDouble);
  }
  create_parameter_update(settings, named)->apply(1);
  EXPECT_EQ(named[0].second.item<double>(), 4 - 0.25 * (2 + 0.25 * 4));
  EXPECT_EQ(named[1].second.item<double>(), 4 - 0.5 * 2);
  EXPECT_EQ(named[2].second.item<double>(), 4 - 0.5 * (2 + 0.25 * 4));
}

TEST(ParameterUpdateTest, FrozenParametersStayAndDoNotCount) {
  proto::Optimizer settings = sgd(1, 0.9, false, 0.1);
  settings.set_gradient_norm_limit(4);
  add_group(settings, "frozen").set_learning_rate_factor(0);
  const at::Tensor frozen = at::ones({1}, at::kDouble).requires_grad_();
  const at::Tensor trained = at::zeros({1}, at::kDouble).requires_grad_();
  const auto update = create_parameter_update(settings, {{"frozen.w", frozen}, {"w", trained}});
  frozen.mutable_grad() = at::full({1}, 300, at::kDouble);
  trained.mutable_grad() = at::full({1}, 4, at::kDouble);
  EXPECT_EQ(update->apply(1), 4);
  EXPECT_EQ(frozen.item<double>(), 1);
  EXPECT_EQ(trained.item<double>(), -4);
  EXPECT_EQ(frozen.grad().item<double>(), 0);
  ASSERT_EQ(update->state().size(), 1u);
  EXPECT_EQ(update->state()[0].first, "w.momentum");
}

TEST(ParameterUpdateTest, AdamsOwnSettingsReachIt) {
  proto::Optimizer settings = adam(0.1);
  settings.mutable_adam()->set_beta1(0.5);
  settings.mutable_adam()->set_beta2(0.75);
  settings.mutable_adam()->set_epsilon(0.125);
  Scalar scalar(settings, 1);
  EXPECT_NEAR(scalar.step(2), 1 - 0.1 * 2 / (2 + 0.125), 1e-15);
  const double mean = (0.5 * 1 + 0.5 * 4) / 0.75, square = (0.75 * 1 + 0.25 * 16) / 0.4375;
  EXPECT_NEAR(scalar.step(4), 1 - 0.1 * 2 / 2.125 - 0.1 * mean / (std::sqrt(square) + 0.125),
              1e-14);
}

TEST(ParameterUpdateTest, TheFactorOfDecayIsASetting) {
  proto::Optimizer settings = sgd(1, 0);
  settings.set_decay_factor(0.5);
  settings.add_decay_steps(1);
  settings.add_decay_steps(3);
  Scalar scalar(settings, 0);
  EXPECT_EQ(scalar.step(1), -1);
  EXPECT_EQ(scalar.step(1), -1.5);
  EXPECT_EQ(scalar.step(1), -2);
  EXPECT_EQ(scalar.step(1), -2.25);
}

// Two parameters in float32 under some method, stepped with gradients that depend on the step.
class Training {
 public:
  explicit Training(const proto::Optimizer& settings)
      : parameters_{{"a.w", at::linspace(-1, 1, 37).requires_grad_()},
                    {"b.w", at::linspace(0, 3, 10).reshape({2, 5}).requires_grad_()}},
        update_(create_parameter_update(settings, parameters_)) {}
  void step() {
    ++steps_;
    for (auto& [name, value] : parameters_) {
      value.mutable_grad() = (value.detach() * static_cast<double>(steps_)).sin();
    }
    update_->apply(steps_);
  }
  // As a checkpoint does it.
  void go_on_from(const Training& other) {
    steps_ = other.steps_;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].second.data().copy_(other.parameters_[i].second.detach());
    }
    std::map<std::string, at::Tensor> saved;
    for (const auto& [name, value] : other.update_->state()) saved[name] = value.clone();
    update_->load_state(saved);
  }
  bool same_as(const Training& other) const {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (!parameters_[i].second.equal(other.parameters_[i].second)) return false;
    }
    return true;
  }
  ParameterUpdate& update() { return *update_; }

 private:
  models::NamedTensors parameters_;
  std::unique_ptr<ParameterUpdate> update_;
  int64_t steps_ = 0;
};

proto::Optimizer with_groups(proto::Optimizer settings) {
  add_group(settings, "b").set_learning_rate_factor(0.5);
  settings.add_decay_steps(4);
  return settings;
}

TEST(ParameterUpdateTest, GoesOnFromASavedStateToTheBit) {
  for (const proto::Optimizer& settings :
       {with_groups(sgd(0.1, 0.9, true, 0.01)), with_groups(adam(0.1, 0.01)), sgd(0.1, 0)}) {
    Training whole(settings), first(settings), second(settings);
    for (int i = 0; i < 7; ++i) whole.step();
    for (int i = 0; i < 3; ++i) first.step();
    second.step();  // what it had is forgotten
    second.go_on_from(first);
    for (int i = 0; i < 4; ++i) second.step();
    EXPECT_TRUE(second.same_as(whole)) << settings.ShortDebugString();
    EXPECT_FALSE(first.same_as(whole));
  }
}

TEST(ParameterUpdateTest, TheStateHasNames) {
  const auto names = [](const proto::Optimizer& settings) {
    std::vector<std::string> all;
    for (const auto& [name, value] : Training(settings).update().state()) all.push_back(name);
    return all;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(sgd(1, 0)), Names{});
  EXPECT_EQ(names(sgd(1, 0.9)), (Names{"a.w.momentum", "b.w.momentum"}));
  EXPECT_EQ(names(adam(1)), (Names{"a.w.first_moment", "b.w.first_moment", "a.w.second_moment",
                                   "b.w.second_moment", "steps"}));
}

TEST(ParameterUpdateTest, AStateThatDoesNotFitIsRefusedWhole) {
  Training training(adam(0.1)), untouched(adam(0.1));
  training.step();
  untouched.step();
  std::map<std::string, at::Tensor> sound;
  for (const auto& [name, value] : training.update().state()) sound[name] = value.clone().fill_(3);
  const auto refusal = [&](const std::string& name, const at::Tensor& other) {
    auto saved = sound;
    saved.erase(name);
    if (other.defined()) saved[name] = other;
    return common::failure_text<common::InputError>([&] { training.update().load_state(saved); });
  };
  EXPECT_TRUE(common::contains(refusal("b.w.second_moment", {}), "b.w.second_moment: is missing"));
  EXPECT_TRUE(common::contains(refusal("steps", {}), "steps: is missing"));
  EXPECT_TRUE(common::contains(refusal("b.w.first_moment", at::zeros({5, 2})),
                               "b.w.first_moment: has the shape [5, 2]"));
  EXPECT_TRUE(common::contains(refusal("b.w.first_moment", at::zeros({2, 5}, at::kDouble)),
                               "b.w.first_moment: holds Double"));
  training.step();
  untouched.step();
  EXPECT_TRUE(training.same_as(untouched));
}

TEST(ParameterUpdateTest, TheRateFallsAfterEachDecayStep) {
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

TEST(ParameterUpdateTest, StepsUseTheRateOfTheirStep) {
  proto::Optimizer settings = sgd(1, 0);
  settings.add_decay_steps(1);
  Scalar scalar(settings, 0);
  EXPECT_DOUBLE_EQ(scalar.step(1), -1);
  EXPECT_DOUBLE_EQ(scalar.step(1), -1.1);
}

void expect_update_refused(const proto::Optimizer& settings, const std::string& field) {
  const at::Tensor value = at::zeros({1}).requires_grad_();
  const std::string text = common::failure_text<common::InputError>([&] {
    create_parameter_update(settings, {{"w", value}});
  });
  EXPECT_TRUE(common::contains(text, field)) << text;
}

TEST(ParameterUpdateTest, RefusesLearningRatesThatAreNone) {
  for (const double rate : {-0.1, std::nan(""), std::numeric_limits<double>::infinity()}) {
    expect_update_refused(sgd(rate, 0.9), "training.optimizer.learning_rate");
  }
}

TEST(ParameterUpdateTest, RefusesNesterovWithoutMomentum) {
  expect_update_refused(sgd(0.1, 0, true), "training.optimizer.sgd.nesterov");
}

TEST(ParameterUpdateTest, RefusesNegativeMomentum) {
  expect_update_refused(sgd(0.1, -0.5), "training.optimizer.sgd.momentum");
}

TEST(ParameterUpdateTest, RefusesNegativeWeightDecay) {
  expect_update_refused(sgd(0.1, 0.9, false, -1), "training.optimizer.sgd.weight_decay");
  expect_update_refused(adam(0.1, -1), "training.optimizer.adam.weight_decay");
}

TEST(ParameterUpdateTest, RefusesANegativeDecayStep) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.add_decay_steps(10);
  settings.add_decay_steps(-3);
  expect_update_refused(settings, "training.optimizer.decay_steps: -3");
}

TEST(ParameterUpdateTest, RefusesANegativeClamp) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.set_gradient_clamp(-1);
  expect_update_refused(settings, "training.optimizer.gradient_clamp");
}

TEST(ParameterUpdateTest, RefusesAClampThatIsNoNumber) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.set_gradient_clamp(std::nan(""));
  expect_update_refused(settings, "training.optimizer.gradient_clamp");
}

TEST(ParameterUpdateTest, RefusesANormLimitThatIsNone) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.set_gradient_norm_limit(-1);
  expect_update_refused(settings, "training.optimizer.gradient_norm_limit");
}

TEST(ParameterUpdateTest, RefusesADecayFactorThatIsNone) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  settings.set_decay_factor(-0.5);
  expect_update_refused(settings, "training.optimizer.decay_factor");
}

TEST(ParameterUpdateTest, RefusesAdamsSettingsOutOfRange) {
  proto::Optimizer beta1 = adam(0.1), beta2 = adam(0.1), epsilon = adam(0.1);
  beta1.mutable_adam()->set_beta1(1);
  beta2.mutable_adam()->set_beta2(-0.1);
  epsilon.mutable_adam()->set_epsilon(0);
  expect_update_refused(beta1, "training.optimizer.adam.beta1");
  expect_update_refused(beta2, "training.optimizer.adam.beta2");
  expect_update_refused(epsilon, "training.optimizer.adam.epsilon");
}

TEST(ParameterUpdateTest, RefusesAGroupOfNothing) {
  proto::Optimizer settings = sgd(0.1, 0.9);
  add_group(settings, "v");
  expect_update_refused(settings, "training.optimizer.group[0].prefix");
}

}  // namespace
}  // namespace muster::trainer
