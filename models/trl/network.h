// TRL's layers (Dai et al. 2018, Figure 2). Sizes in comments are for 224 pixels, width 1 and 512
// hidden units.
#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>

#include "models/backbones/googlenet.h"
#include "models/trl/spatial_transformer.h"
#include "models/trl/temporal_residual.h"

namespace muster::models {

// Modules main (a GoogLeNet whose stem both streams share), aligned (another without stem),
// transformer, main_temporal, aligned_temporal, classifier, aligned_classifier; at frame level
// frame_classifier and aligned_frame_classifier stand for the last four. What the options leave out
// is not there.
class TrlNetwork : public torch::nn::Module {
 public:
  TrlNetwork(const proto::Trl& options, int64_t identities);
  // input.clips is [clips, frames, 3, 224, 224]. Signature, [clips, 1024] each: "main_generic",
  // "main_specific", "aligned_generic", "aligned_specific", as far as the options have them; at
  // frame level the mean descriptors stand for the generic ones. Logits: "identity" of the main
  // stream, "identity_aligned"; [clips, identities], at frame level [clips, frames, identities].
  ModelOutput forward(const ModelInput& input, const ForwardContext& context);
  // First weights as published: normal (deviation 0.01), LSTMs orthogonal, no transform.
  void reset(uint64_t seed);

 private:
  // What makes a video's feature of its frames' descriptors.
  struct Head {
    std::shared_ptr<TemporalResidual> temporal;  // null at frame level
    torch::nn::Linear classifier{nullptr};       // empty without identities
  };
  Head make_head(const std::string& prefix, int64_t identities);
  // Adds a stream's part of signature and logits, of descriptors [clips, frames, 1024].
  void conclude(Head& head, const std::string& stream, const std::string& logits,
                const at::Tensor& descriptors, ModelOutput& output);

  const proto::Trl options_;
  std::shared_ptr<GoogLeNet> main_, aligned_;
  std::shared_ptr<SpatialTransformer> transformer_;
  Head main_head_, aligned_head_;
};

// alpha * generic + (1 - alpha) * specific (equation 14), or the one of them that is defined.
at::Tensor mixed_feature(const at::Tensor& generic, const at::Tensor& specific, double alpha);

}  // namespace muster::models
