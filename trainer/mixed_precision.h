// What training.precision means, and the scale of the loss that small gradients need.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// Of weights, optimiser, batch statistics and losses.
at::ScalarType type_of_weights(proto::Precision precision);
// Of convolutions and matrix products inside the network (models/layers/autocast.h).
at::ScalarType type_of_products(proto::Precision precision);

// Throws InputError for what the device cannot do.
void require_precision(proto::Precision precision, const at::Device& device);

// float32 where a product left less.
models::ModelOutput in_full_precision(models::ModelOutput output);

struct LossScaleState {
  double scale = 1;
  int64_t good_steps = 0;  // since the scale last changed
};

// float16 has no number below 6e-8: the loss is multiplied by a power of two before backward, and
// the gradient divided by it. What is too much for float16 turns infinite; then the step is left
// out and the scale halved. A pure function of what it is told, so the same on every rank.
class LossScale {
 public:
  // Always 1 unless the products are float16.
  explicit LossScale(proto::Precision precision);

  double value() const { return state_.scale; }
  // After backward; `finite`: every gradient, summed over ranks. False if nothing was tried too
  // far: the step is a failure like any other. 2,000 finite steps in a row double the scale.
  bool judge(bool finite);

  LossScaleState state() const { return state_; }
  // Of a checkpoint. Throws InputError for what judge() cannot have left.
  void restore(const LossScaleState& state);

 private:
  const bool moves_;
  LossScaleState state_;
};

}  // namespace muster::trainer
