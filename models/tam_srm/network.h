// The layers of TAM + SRM (Zhou et al. 2017, Figure 2). Sizes in comments are the published ones.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>

#include <memory>

#include "models/backbones/caffenet.h"
#include "models/tam_srm/spatial_recurrence.h"
#include "models/tam_srm/temporal_attention.h"
#include "proto/model.pb.h"

namespace muster::models {

// Modules backbone (CaffeNet; without fc6 and fc7 where there is no feature), attention (TAM) or
// recurrent (an LSTM over frames), metric (SRM, or CNN+DIFF), classifier. What the options leave
// out is not there.
class TamSrmNetwork : public torch::nn::Module {
 public:
  // The classifier, on "features", is not the paper's: without an identity loss it does nothing.
  TamSrmNetwork(const proto::TamSrm& options, int64_t identities);

  // input.clips is [clips, frames, 3, 227, 227]. Signature:
  //   features  F [clips, 512]: the mean over time of fc7 (1024 then) or of an LSTM's outputs; not
  //             of unit length
  //   maps      [clips, 6, 6, 6, 64]: frames, height, width, channels: pool5 times the weights of
  //             the metric's first layer, which is linear up to where it compares
  // Logits: "identity". Throws InputError for another number of frames where there is a metric.
  ModelOutput forward(const ModelInput& input, const ForwardContext& context);

  // [pairs, 2] of "maps" [pairs, ...].
  at::Tensor pair_logits(const at::Tensor& first, const at::Tensor& second,
                         const ForwardContext& context);

  // First weights: Glorot's, biases 0.
  void reset(uint64_t seed);

  SpatialRecurrenceSize metric_size() const;

 private:
  at::Tensor feature_of(const at::Tensor& frames);

  const proto::TamSrm options_;
  std::shared_ptr<CaffeNet> backbone_;
  std::shared_ptr<TemporalAttention> attention_;
  torch::nn::LSTM recurrent_{nullptr};
  std::shared_ptr<SpatialRecurrence> metric_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace muster::models
