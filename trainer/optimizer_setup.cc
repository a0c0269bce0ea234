#include "trainer/optimizer_setup.h"

#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <cmath>

#include "common/error.h"
#include "common/number_text.h"

namespace muster::trainer {
namespace {

std::unique_ptr<torch::optim::Optimizer> create_optimizer(const proto::Optimizer& settings,
                                                          const std::vector<at::Tensor>& values) {
  const double rate = settings.learning_rate();
  if (settings.method_case() == proto::Optimizer::kAdam) {
    return std::make_unique<torch::optim::Adam>(
        values, torch::optim::AdamOptions(rate).weight_decay(settings.adam().weight_decay()));
  }
  return std::make_unique<torch::optim::SGD>(values,
                                             torch::optim::SGDOptions(rate)
                                                 .momentum(settings.sgd().momentum())
                                                 .nesterov(settings.sgd().nesterov())
                                                 .weight_decay(settings.sgd().weight_decay()));
}

class TorchParameterUpdate : public ParameterUpdate {
 public:
  TorchParameterUpdate(const proto::Optimizer& settings, const models::NamedTensors& parameters)
      : settings_(settings) {
    for (const auto& [name, value] : parameters) values_.push_back(value);
    optimizer_ = create_optimizer(settings, values_);
  }

  double apply(int64_t step) override {
    double squares = 0;
    for (const at::Tensor& value : values_) {
      squares += value.grad().pow(2).sum().item<double>();
      if (settings_.gradient_clamp() > 0) {
        value.grad().clamp_(-settings_.gradient_clamp(), settings_.gradient_clamp());
      }
    }
    for (auto& group : optimizer_->param_groups()) group.options().set_lr(learning_rate(step));
    optimizer_->step();
    optimizer_->zero_grad();
    return std::sqrt(squares);
  }

  double learning_rate(int64_t step) const override {
    double rate = settings_.learning_rate();
    if (step < settings_.warmup_steps()) {
      rate *= static_cast<double>(step) / static_cast<double>(settings_.warmup_steps());
    }
    for (const int64_t decay_step : settings_.decay_steps()) {
      if (step > decay_step) rate *= 0.1;
    }
    return rate;
  }

 private:
  const proto::Optimizer settings_;
  std::vector<at::Tensor> values_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

void demand_not_negative(double value, const std::string& field) {
  if (value >= 0 && std::isfinite(value)) return;
  throw common::InputError("training.optimizer." + field,
                           common::number_text(value) + " is not a number of at least 0");
}

}  // namespace

std::unique_ptr<ParameterUpdate> create_parameter_update(const proto::Optimizer& settings,
                                                         const models::NamedTensors& parameters) {
  demand_not_negative(settings.learning_rate(), "learning_rate");
  demand_not_negative(settings.gradient_clamp(), "gradient_clamp");
  demand_not_negative(static_cast<double>(settings.warmup_steps()), "warmup_steps");
  for (const int64_t step : settings.decay_steps()) {
    if (step >= 0) continue;
    throw common::InputError("training.optimizer.decay_steps",
                             std::to_string(step) + " is negative");
  }
  demand_not_negative(settings.sgd().momentum(), "sgd.momentum");
  demand_not_negative(settings.sgd().weight_decay(), "sgd.weight_decay");
  demand_not_negative(settings.adam().weight_decay(), "adam.weight_decay");
  if (settings.method_case() == proto::Optimizer::kSgd && settings.sgd().nesterov() &&
      settings.sgd().momentum() <= 0) {
    throw common::InputError("training.optimizer.sgd.nesterov", "needs momentum above 0");
  }
  return std::make_unique<TorchParameterUpdate>(settings, parameters);
}

}  // namespace muster::trainer
