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

// For PairLoss; otherwise nothing.
struct PairJudge {
  models::PairModel* model = nullptr;               // not owned
  const models::ForwardContext* context = nullptr;  // of the forward pass that made the output
  at::ScalarType products = at::kFloat;             // that it judges in: models/layers/autocast.h
};

// `labels` int64 [clips] of this rank; `counts` clips per rank. Collective. Of pairs and triplets
// (VerificationLoss, AttentiveTripletLoss) the clips stand side by side in the global batch, as the
// samplers leave them; a loss without any term in the global batch is 0. Throws InputError as
// require_loss and require_network do (trainer/loss_settings.h).
StepLosses step_losses(const proto::Loss& settings, const models::ModelOutput& output,
                       const at::Tensor& labels, const std::vector<int64_t>& counts,
                       Communicator& communicator, const PairJudge& judge = {});

}  // namespace muster::trainer
