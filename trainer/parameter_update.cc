#include "trainer/parameter_update.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "common/number_text.h"
#include "trainer/parameter_groups.h"
#include "trainer/update_kernels.h"

namespace muster::trainer {
namespace {

using common::InputError;
using models::NamedTensors;

// Parameters with the same factors.
struct Group {
  GroupFactors factors;
  std::vector<std::string> names;
  UpdateLists lists;
};

bool loopable(const at::Tensor& value) {
  const bool known = value.scalar_type() == at::kFloat || value.scalar_type() == at::kDouble;
  return known && value.device().is_cpu() && value.is_contiguous();
}

const UpdateKernels& kernels_for(const NamedTensors& parameters) {
  const bool all = std::all_of(parameters.begin(), parameters.end(),
                               [](const auto& item) { return loopable(item.second); });
  return all ? loop_kernels() : tensor_kernels();
}

std::vector<at::Tensor> zeros_like_all(const std::vector<at::Tensor>& values) {
  std::vector<at::Tensor> zeros;
  for (const at::Tensor& value : values) zeros.push_back(at::zeros_like(value.detach()));
  return zeros;
}

std::vector<Group> groups_of(const proto::Optimizer& settings, const NamedTensors& parameters) {
  const std::vector<GroupFactors> factors = group_factors(settings, parameters);
  std::vector<Group> groups;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (factors[i].learning_rate == 0) continue;
    const auto same = [&](const Group& group) {
      return group.factors.learning_rate == factors[i].learning_rate &&
             group.factors.weight_decay == factors[i].weight_decay;
    };
    auto group = std::find_if(groups.begin(), groups.end(), same);
    if (group == groups.end()) group = groups.insert(groups.end(), Group{factors[i], {}, {}});
    group->names.push_back(parameters[i].first);
    group->lists.values.push_back(parameters[i].second);
  }
  return groups;
}

void demand_same(const std::string& name, const at::Tensor& saved, const at::Tensor& own) {
  if (saved.sizes() != own.sizes()) {
    throw InputError(name, "has the shape " + common::one_line(c10::str(saved.sizes())) +
                               " where the optimiser has " + c10::str(own.sizes()));
  }
  if (saved.scalar_type() == own.scalar_type()) return;
  throw InputError(name, std::string("holds ") + at::toString(saved.scalar_type()) +
                             " where the optimiser has " + at::toString(own.scalar_type()));
}

class GroupedUpdate : public ParameterUpdate {
 public:
  GroupedUpdate(const proto::Optimizer& settings, const NamedTensors& parameters)
      : settings_(settings),
        adam_(settings.method_case() == proto::Optimizer::kAdam),
        parameters_(parameters),
        kernels_(kernels_for(parameters)),
        groups_(groups_of(settings, parameters)) {
    for (Group& group : groups_) {
      if (adam_ || settings.sgd().momentum() > 0)
        group.lists.first = zeros_like_all(group.lists.values);
      if (adam_) group.lists.second = zeros_like_all(group.lists.values);
    }
  }

  double apply(int64_t step) override {
    const at::NoGradGuard constants;
    gather_gradients();
    const double limit = settings_.gradient_norm_limit();
    GradientClipping clipping{settings_.gradient_clamp(), 1};
    const GradientNorms norms = kernels_.norms(trained_gradients_, limit > 0 ? clipping.clamp : 0);
    if (!std::isfinite(norms.whole)) return norms.whole;
    if (limit > 0 && norms.clamped > limit) clipping.scale = limit / norms.clamped;
    ++steps_;
    for (const Group& group : groups_) step_group(group, clipping, learning_rate(step));
    for (const auto& [name, value] : parameters_) value.grad().zero_();
    return norms.whole;
  }

  double learning_rate(int64_t step) const override {
    double rate = settings_.learning_rate();
    if (step < settings_.warmup_steps()) {
      rate *= static_cast<double>(step) / static_cast<double>(settings_.warmup_steps());
    }
    for (const int64_t decay_step : settings_.decay_steps()) {
      if (step > decay_step) rate *= settings_.decay_factor();
    }
    return rate;
  }

  NamedTensors state() const override {
    NamedTensors named;
    for (const Group& group : groups_) {
      for (size_t i = 0; i < group.lists.first.size(); ++i) {
        named.emplace_back(group.names[i] + (adam_ ? ".first_moment" : ".momentum"),
                           group.lists.first[i]);
      }
      for (size_t i = 0; i < group.lists.second.size(); ++i) {
        named.emplace_back(group.names[i] + ".second_moment", group.lists.second[i]);
      }
    }
    if (adam_) named.emplace_back("steps", at::scalar_tensor(steps_, at::kLong));
    return named;
  }

  void load_state(const std::map<std::string, at::Tensor>& saved) override {
    const at::NoGradGuard constants;
    const NamedTensors own = state();
    for (const auto& [name, value] : own) {
      const auto found = saved.find(name);
      if (found == saved.end()) throw InputError(name, "is missing from the optimiser's state");
      demand_same(name, found->second, value);
    }
    for (const auto& [name, value] : own) value.copy_(saved.at(name));
    if (adam_) steps_ = saved.at("steps").item<int64_t>();
  }

 private:
  // Of this step: autograd may have put others in their place since the last one.
  void gather_gradients() {
    for (const auto& [name, value] : parameters_) {
      at::Tensor parameter = value;
      if (!parameter.grad().defined())
        parameter.mutable_grad() = at::zeros_like(parameter.detach());
    }
    trained_gradients_.clear();
    for (Group& group : groups_) {
      group.lists.gradients.clear();
      for (const at::Tensor& value : group.lists.values) {
        const at::Tensor& gradient = value.grad();
        group.lists.gradients.push_back(value.is_contiguous() ? gradient.contiguous() : gradient);
      }
      trained_gradients_.insert(trained_gradients_.end(), group.lists.gradients.begin(),
                                group.lists.gradients.end());
    }
  }

  void step_group(const Group& group, const GradientClipping& clipping, double rate) const {
    rate *= group.factors.learning_rate;
    const double decay = group.factors.weight_decay;
    if (adam_) {
      const proto::Adam& adam = settings_.adam();
      kernels_.adam(
          group.lists, clipping,
          {rate, adam.beta1(), adam.beta2(), adam.epsilon(), adam.weight_decay() * decay, steps_});
    } else {
      const proto::Sgd& sgd = settings_.sgd();
      kernels_.sgd(group.lists, clipping,
                   {rate, sgd.momentum(), sgd.weight_decay() * decay, sgd.nesterov()});
    }
  }

  const proto::Optimizer settings_;
  const bool adam_;
  const NamedTensors parameters_;
  const UpdateKernels& kernels_;
  std::vector<Group> groups_;
  std::vector<at::Tensor> trained_gradients_;
  int64_t steps_ = 0;
};

void demand(bool holds, double value, const std::string& field, const std::string& what) {
  if (holds && std::isfinite(value)) return;
  throw InputError("training.optimizer." + field, common::number_text(value) + " is not " + what);
}

void demand_not_negative(double value, const std::string& field) {
  demand(value >= 0, value, field, "a number of at least 0");
}

void require_method(const proto::Optimizer& settings) {
  demand_not_negative(settings.sgd().momentum(), "sgd.momentum");
  demand_not_negative(settings.sgd().weight_decay(), "sgd.weight_decay");
  const proto::Adam& adam = settings.adam();
  demand_not_negative(adam.weight_decay(), "adam.weight_decay");
  const std::string share = "a number from 0 to below 1";
  demand(adam.beta1() >= 0 && adam.beta1() < 1, adam.beta1(), "adam.beta1", share);
  demand(adam.beta2() >= 0 && adam.beta2() < 1, adam.beta2(), "adam.beta2", share);
  demand(adam.epsilon() > 0, adam.epsilon(), "adam.epsilon", "a number above 0");
  if (settings.method_case() == proto::Optimizer::kSgd && settings.sgd().nesterov() &&
      settings.sgd().momentum() <= 0) {
    throw InputError("training.optimizer.sgd.nesterov", "needs momentum above 0");
  }
}

}  // namespace

std::unique_ptr<ParameterUpdate> create_parameter_update(const proto::Optimizer& settings,
                                                         const NamedTensors& parameters) {
  demand_not_negative(settings.learning_rate(), "learning_rate");
  demand_not_negative(settings.decay_factor(), "decay_factor");
  demand_not_negative(settings.gradient_clamp(), "gradient_clamp");
  demand_not_negative(settings.gradient_norm_limit(), "gradient_norm_limit");
  demand_not_negative(static_cast<double>(settings.warmup_steps()), "warmup_steps");
  for (const int64_t step : settings.decay_steps()) {
    if (step >= 0) continue;
    throw InputError("training.optimizer.decay_steps", std::to_string(step) + " is negative");
  }
  require_method(settings);
  return std::make_unique<GroupedUpdate>(settings, parameters);
}

std::vector<std::string> names_of_bad_gradients(const NamedTensors& parameters) {
  std::vector<std::string> names;
  for (const auto& [name, value] : parameters) {
    const at::Tensor& gradient = value.grad();
    if (gradient.defined() && !gradient.isfinite().all().item<bool>()) names.push_back(name);
  }
  return names;
}

}  // namespace muster::trainer
