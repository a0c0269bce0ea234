// What CNN-RNN and STSRN share around their recurrent nets: colour and flow of small crops in, a
// vector per clip out, one classifier, Euclidean distance.
#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>

#include "models/backbones/frame_network.h"
#include "models/network_model.h"

namespace muster::models {

class ColourFlowNetwork : public FrameNetwork {
 public:
  using FrameNetwork::FrameNetwork;
  // [clips, frames, features] -> [clips, features]
  virtual at::Tensor video_feature(const at::Tensor& frame_features,
                                   const ForwardContext& context) = 0;
  // With signature "features" [clips, features] and, with a classifier, head "identity".
  ModelOutput forward(const ModelInput& input, const ForwardContext& context);

 protected:
  // To be called last; 0 identities: no classifier.
  void add_classifier(int64_t features, int64_t identities);

 private:
  torch::nn::Linear classifier_{nullptr};
};

class ColourFlowModel : public NetworkModel<Model> {
 public:
  // Gives weights their first values: Xavier's for matrices and kernels, 0 for all else.
  ColourFlowModel(std::shared_ptr<ColourFlowNetwork> network, const InputFormat& input_format,
                  uint64_t seed);
  InputFormat input_format() const override { return input_format_; }
  // Frames of input_format()'s crop, with flow; at least one frame.
  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override;
  // Signatures with several variants of a tracklet, [tracklets, variants, features], add their
  // distances.
  at::Tensor distance(const Signature& queries, const Signature& gallery) const override;

 private:
  const std::shared_ptr<ColourFlowNetwork> network_;
  const InputFormat input_format_;
};

// Frames of 64x48 (height x width), crops of 56x40, YUV, with flow.
InputFormat colour_flow_format();

// For Settings Stsrn or CnnRnn: throws InputError naming "PREFIX.FIELD" unless width is in (0, 16],
// features in 1 to 65536, dropout in [0, 1) and no layer too large (setting_checks.h). `structure`
// and `activation_in_block` are left.
template <typename Settings>
FrameNetworkOptions frame_network_options(const Settings& settings, const std::string& prefix);

}  // namespace muster::models
