// The optimiser that the settings ask for: SGD or Adam, groups of parameters, clipping, schedule,
// and a state that can be saved.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// Updates the model's own tensors from their gradients. One thread. Ranks that have the same
// parameters, gradients and state have the same ones afterwards, bit by bit.
class ParameterUpdate {
 public:
  virtual ~ParameterUpdate() = default;
  // Clamps the gradient element-wise, scales it down to the limit of its norm, and steps with the
  // learning rates of `step` (1 for the first). Then all gradients are zero, in the same memory; an
  // undefined gradient is made and counts as zeros. Returns the L2 norm of the gradient before
  // either clipping, without that of parameters that stay as they are (groups of factor 0). If that
  // norm is not finite then nothing has changed, neither parameters, state nor gradients.
  virtual double apply(int64_t step) = 0;
  // Without the factors of groups.
  virtual double learning_rate(int64_t step) const = 0;

  // All that later steps depend on besides parameters, gradients and the number of the step:
  // "PARAMETER.momentum", or "PARAMETER.first_moment", "PARAMETER.second_moment" and "steps"
  // (int64, no axes: those that were applied). "steps" is a copy; the others are the optimiser's
  // own, which apply() changes. In a fixed order. Nothing for SGD without momentum.
  virtual models::NamedTensors state() const = 0;
  // Copies what state() names out of `saved`, which may hold more. Throws InputError naming the
  // tensor that is missing, or of another shape or type, and then has changed nothing.
  virtual void load_state(const std::map<std::string, at::Tensor>& saved) = 0;
};

// Throws InputError for values out of range and for groups of no parameter.
std::unique_ptr<ParameterUpdate> create_parameter_update(const proto::Optimizer& settings,
                                                         const models::NamedTensors& parameters);

// The parameters whose gradients hold a number that is not finite. Waits for the device for each.
std::vector<std::string> names_of_bad_gradients(const models::NamedTensors& parameters);

}  // namespace muster::trainer
