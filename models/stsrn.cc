// STSRN (Su et al. 2018): residual blocks over each frame, a spatial-temporal smooth module (STSM,
// equations 2 and 3) and a residual recurrent net (TemRes, equations 5 to 7) over time.
#include <ATen/ATen.h>

#include "common/error.h"
#include "models/colour_flow_model.h"
#include "models/layers/autocast.h"
#include "models/layers/tanh_recurrence.h"
#include "models/model_catalog.h"

namespace muster::models {
namespace {

class StsrnNetwork : public ColourFlowNetwork {
 public:
  StsrnNetwork(const FrameNetworkOptions& frame_options, const proto::Stsrn& options,
               int64_t identities)
      : ColourFlowNetwork(frame_options),
        temporal_residual_(options.temporal_residual()),
        dropout_(options.dropout()) {
    const int64_t size = options.features();
    input_to_hidden_ = register_module("input_to_hidden", torch::nn::Linear(size, size));
    hidden_to_hidden_ = register_module("hidden_to_hidden", torch::nn::Linear(size, size));
    if (options.synergy()) synergy_ = register_parameter("synergy", at::zeros({size}));
    add_classifier(size, identities);
  }

  at::Tensor video_feature(const at::Tensor& frame_features,
                           const ForwardContext& context) override {
    const at::Tensor x = synergy_.defined() ? smoothed(frame_features) : frame_features;
    // All of o^t that no earlier step decides.
    at::Tensor drive = input_to_hidden_(x) + hidden_to_hidden_->bias;
    if (temporal_residual_) drive = (drive + x) / 2;
    return tanh_recurrence(drive, hidden_to_hidden_->weight, temporal_residual_ ? 0.5 : 1,
                           recurrent_masks(drive, dropout_, context))
        .mean(1);
  }

 private:
  // STSM: x^t = f^t + omega (f^{t-1} - f^t), x^1 = f^1.
  at::Tensor smoothed(const at::Tensor& features) const {
    const at::Tensor earlier =
        at::cat({features.narrow(1, 0, 1), features.narrow(1, 0, features.size(1) - 1)}, 1);
    return at::lerp(in_full_precision(features), in_full_precision(earlier), at::sigmoid(synergy_));
  }

  torch::nn::Linear input_to_hidden_{nullptr}, hidden_to_hidden_{nullptr};  // U, V
  at::Tensor synergy_;  // w; omega = sigmoid(w), theta = 1 - omega; undefined without STSM
  bool temporal_residual_;
  double dropout_;
};

}  // namespace

std::unique_ptr<Model> create_stsrn(const proto::Model& options, int64_t identities,
                                    uint64_t seed) {
  const proto::Stsrn& stsrn = options.stsrn();
  FrameNetworkOptions frame_options = frame_network_options(stsrn, "model.stsrn");
  frame_options.structure = stsrn.structure();
  frame_options.activation_in_block = stsrn.activation_in_block();
  const bool has_activation_free_blocks = stsrn.structure() != proto::Stsrn::BASE &&
                                          stsrn.structure() != proto::Stsrn::DOUBLE_PLAIN_RESIDUAL;
  if (stsrn.activation_in_block() && !has_activation_free_blocks) {
    throw common::InputError(
        "model.stsrn.activation_in_block",
        "structure " + proto::Stsrn::Structure_Name(stsrn.structure()) + " has no such block",
        "choose SINGLE_RESIDUAL, DOUBLE_RESIDUAL or TRIPLE_RESIDUAL, or leave it out");
  }
  InputFormat format = colour_flow_format();
  format.divide_by_root_of_deviation = stsrn.divide_by_root_of_deviation();
  format.vertical_flow_first = stsrn.vertical_flow_first();
  return std::make_unique<ColourFlowModel>(
      std::make_shared<StsrnNetwork>(frame_options, stsrn, identities), format, seed);
}

}  // namespace muster::models
