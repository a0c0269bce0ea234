// How the refined maps of a clip become one vector, and the classifier on that vector (Liu et al.
// 2019, section "Spatial-Temporal Clues Integration Module").
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <memory>

#include "models/layers/batch_norm.h"

namespace muster::models {

// STIM: two convolutions over time and place, 1x1x1 and 3x3x3 (zeros beyond the border), each
// without bias and followed by batch norm and ReLU, and the mean over frames and places.
class SpatialTemporalIntegration : public torch::nn::Module {
 public:
  SpatialTemporalIntegration(int64_t channels, int64_t features);
  // [frames, clips, height, width, channels] -> [clips, features]. Collective in training.
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context);

 private:
  torch::nn::Linear conv1_;  // a 1x1x1 convolution where channels lie last
  std::shared_ptr<BatchNorm> bn1_;
  torch::nn::Conv3d conv2_;
  std::shared_ptr<BatchNorm> bn2_;
};

// Linear, batch norm, (leaky) ReLU, dropout, linear.
class ClassifierBlock : public torch::nn::Module {
 public:
  struct Options {
    int64_t features, hidden, identities;
    double leak;     // slope of what is below zero; 0: ReLU
    double dropout;  // probability
  };
  explicit ClassifierBlock(const Options& options);
  // [clips, features] -> [clips, identities]. Collective in training.
  at::Tensor forward(const at::Tensor& features, const ForwardContext& context);

 private:
  const Options options_;
  torch::nn::Linear hidden_, output_;
  std::shared_ptr<BatchNorm> bn_;
};

}  // namespace muster::models
