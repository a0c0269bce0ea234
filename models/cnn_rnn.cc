// CNN-RNN (McLaughlin et al. 2016), as its authors' code has it: a small CNN over each frame, a
// recurrent net without a matrix for its input, the mean over time.
#include <ATen/ATen.h>

#include "models/colour_flow_model.h"
#include "models/layers/tanh_recurrence.h"
#include "models/model_catalog.h"

namespace muster::models {
namespace {

class CnnRnnNetwork : public ColourFlowNetwork {
 public:
  CnnRnnNetwork(const FrameNetworkOptions& frame_options, int64_t identities)
      : ColourFlowNetwork(frame_options), dropout_(frame_options.dropout) {
    const int64_t size = frame_options.features;
    hidden_to_hidden_ = register_module("hidden_to_hidden", torch::nn::Linear(size, size));
    start_ = register_parameter("start", at::zeros({size}));
    add_classifier(size, identities);
  }

  // o_1 = e_1 + start, o_t = e_t + W_h dropout(tanh(o_{t-1})) + b_h, v = mean of o_t.
  at::Tensor video_feature(const at::Tensor& frame_features,
                           const ForwardContext& context) override {
    const at::Tensor later = hidden_to_hidden_->bias.expand({frame_features.size(1) - 1, -1});
    const at::Tensor drive = frame_features + at::cat({start_.unsqueeze(0), later}, 0);
    return tanh_recurrence(drive, hidden_to_hidden_->weight, 1,
                           recurrent_masks(drive, dropout_, context))
        .mean(1);
  }

 private:
  torch::nn::Linear hidden_to_hidden_{nullptr};
  at::Tensor start_;
  double dropout_;
};

}  // namespace

std::unique_ptr<Model> create_cnn_rnn(const proto::Model& options, int64_t identities,
                                      uint64_t seed) {
  const FrameNetworkOptions frame_options =
      frame_network_options(options.cnn_rnn(), "model.cnn_rnn");
  return std::make_unique<ColourFlowModel>(
      std::make_shared<CnnRnnNetwork>(frame_options, identities), colour_flow_format(), seed);
}

}  // namespace muster::models
