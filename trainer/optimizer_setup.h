// The optimiser that the settings ask for.
#pragma once

#include <cstdint>
#include <memory>

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// Updates the model's own tensors from their gradients. One thread.
class ParameterUpdate {
 public:
  virtual ~ParameterUpdate() = default;
  // Clamps gradients element-wise, steps with the learning rate of `step` (1 for the first), clears
  // gradients. Returns the L2 norm of the gradient before clamping.
  virtual double apply(int64_t step) = 0;
  virtual double learning_rate(int64_t step) const = 0;
};

// Throws InputError for values out of range.
std::unique_ptr<ParameterUpdate> create_parameter_update(const proto::Optimizer& settings,
                                                         const models::NamedTensors& parameters);

}  // namespace muster::trainer
