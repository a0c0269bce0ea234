// Forward, loss and backward of a step; with micro-batches for batches whose graph does not fit
// into memory.
//
// The loss compares clips of the whole batch, so the gradient is not a sum over parts of it. But it
// reaches the weights through each clip's own outputs o_i (Gao et al. 2021, gradient caching):
//     dL/dw = sum_i dL/do_i * do_i/dw
// First all outputs are computed without a graph, then the loss of all of them and dL/do, then each
// micro-batch once more with a graph, which starts from its rows of dL/do. Dropout has keys of
// clips, so that both passes see the same masks. It costs one more forward pass.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"
#include "trainer/loss_terms.h"

namespace muster::trainer {

// What a rank has of the global batch. References must outlive the call.
struct StepShare {
  const models::ModelInput& input;
  const at::Tensor& labels;               // int64 [clips]
  const models::ForwardContext& context;  // training, a key for each clip
  const std::vector<int64_t>& counts;     // clips of each rank
  at::ScalarType products = at::kFloat;   // trainer/mixed_precision.h; outputs are float32
};

struct StepHooks {
  // Before anything goes backward; where it says false nothing does, and gradients stay as they
  // are. Must say the same on every rank. None: true.
  std::function<bool(const StepLosses&)> proceed;
  // What the loss is multiplied by before it goes backward, and so the gradient.
  double loss_scale = 1;
  // Ahead of the last backward(), which completes the gradients (GradientReducer::last_pass).
  std::function<void()> before_last_backward;
};

struct StepPasses {
  StepLosses losses;
  double forward_seconds = 0, loss_seconds = 0, backward_seconds = 0;  // backward: both its parts
};

// Adds this rank's part of the gradient to that of the parameters: its sum over the ranks is the
// gradient of the loss over the global batch. With micro_batch_clips > 0 at most so many clips are
// in a graph at once, and the result is the same up to rounding; require_micro_batches must have
// passed. Collective, as step_losses is; ranks may differ in their clips and have none. PairLoss's
// pass over pairs is not divided.
StepPasses run_forward_backward(models::Model& model, const proto::Loss& loss,
                                const StepShare& share, Communicator& communicator,
                                int64_t micro_batch_clips, const StepHooks& hooks = {});

// Throws InputError if training.micro_batch_clips is negative, or if it is set and a layer of the
// network looks at all clips together in training (batch norm), naming it. `no_clips` is an input
// of no clips. Not collective.
void require_micro_batches(models::Model& model, const models::ModelInput& no_clips,
                           int64_t micro_batch_clips);

}  // namespace muster::trainer
