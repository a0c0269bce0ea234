// The refining recurrent unit (RRU, Liu et al. 2019, eq. 1 to 7): each frame's maps X_t are mixed
// with the refined maps of the frame before by a gate over every place and channel.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <vector>

#include "models/layers/batch_norm.h"
#include "proto/experiment.pb.h"

namespace muster::models {

struct RefinementSize {
  int64_t channels;    // of X
  int64_t transition;  // of the gate's inner maps
  int64_t height, width;
};

// The gate's input maps, `gate` saying which (the first S_0 is X_1):
//   FULL_GATE, SPATIAL_GATE, CHANNEL_GATE: [S_{t-1} - X_t, X_t - X_{t-1}], with X_0 = X_1
//   APPEARANCE_GATE: S_{t-1} - X_t;  ORIGINAL_GATE: [X_t, S_{t-1}]
// (the sign of S_{t-1} - X_t is that of the published code; the paper prints the other). They give
//   H = relu(batch norm(W input)), statistics taken at every step;
//   Zs = U2 relu(U1 mean of H over channels), a value per place (not for CHANNEL_GATE);
//   Zc = V mean of H over places, a value per channel (not for SPATIAL_GATE);
//   Z = sigmoid(Zs Zc);  S_t = (1 - Z) S_{t-1} + Z X_t.
// So S_1 = X_1 whatever the gate says.
class Refinement : public torch::nn::Module {
 public:
  Refinement(const RefinementSize& size, proto::RruStim::Refinement gate);
  // X [frames, clips, places, channels] -> S of the same shape; places by rows of the maps. Any
  // number of clips. Collective in training.
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context);

 private:
  at::Tensor projected(const at::Tensor& maps, const at::Tensor& weight) const;
  // The part of W input that no S is needed for, by frames; empty where there is none.
  std::vector<at::Tensor> known_part(const at::Tensor& maps) const;
  at::Tensor normalised(const at::Tensor& inner, const ForwardContext& context);
  at::Tensor gate_of(const at::Tensor& inner);

  const RefinementSize size_;
  const proto::RruStim::Refinement gate_;
  at::Tensor transition_;  // W: [transition, one or two times channels], halves as the inputs above
  std::shared_ptr<BatchNorm> bn_;
  torch::nn::Linear spatial1_{nullptr}, spatial2_{nullptr}, channel_{nullptr};  // U1, U2, V
};

}  // namespace muster::models
