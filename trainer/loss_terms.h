// All losses of a step over the global batch: which terms there are, how they add up, exact for any
// split of the clips over ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"

namespace muster::trainer {

struct StepLosses {
  // This rank's part of the total; the sum over ranks is the loss over the global batch. Its
  // backward gives gradients that must be summed over ranks.
  at::Tensor local_total;
  double total = 0;                          // over the global batch, equal on every rank
  std::map<std::string, double> losses;      // unweighted means over the global batch
  std::map<std::string, double> statistics;  // means over the global batch
};

// Throws InputError if the settings name no loss, or a weight or margin out of range.
void require_loss(const proto::Loss& settings);

// `labels` int64 [clips] of this rank; `counts` clips per rank. Collective. Throws InputError if
// the settings name no loss.
StepLosses step_losses(const proto::Loss& settings, const models::ModelOutput& output,
                       const at::Tensor& labels, const std::vector<int64_t>& counts,
                       Communicator& communicator);

}  // namespace muster::trainer
