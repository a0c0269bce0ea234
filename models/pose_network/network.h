// The pose network's layers: joint heat-maps of single frames. The architecture is ours (the paper
// of STAL takes a published network that learned from MPII).
#pragma once

#include <torch/nn/modules/conv.h>

#include <memory>

#include "models/backbones/bn_inception.h"
#include "models/layers/batch_norm.h"
#include "proto/model.pb.h"

namespace muster::models {

// The joints of a heat-map's channels, in the order of mirrored_joint() (docs/formats/shard.md).
constexpr int64_t kPoseJoints = 14;
// Pixels of the input's side for one of a heat-map's.
constexpr int64_t kHeatMapStride = 4;

// Transposed convolution 4/2/p1 without bias, batch norm (epsilon 1e-5), ReLU: twice the size.
class DeconvolutionUnit : public torch::nn::Module {
 public:
  DeconvolutionUnit(int64_t in, int64_t out);
  // [images, in, height, width] -> [images, out, 2 height, 2 width]
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context);

 private:
  torch::nn::ConvTranspose2d conv_;
  std::shared_ptr<BatchNorm> bn_;
};

// Modules backbone (BN-Inception to 4b), deconvolution1, deconvolution2, heat_maps (1x1, with
// bias). Sizes are for 224 pixels, width 1 and 256 channels.
class PoseNet : public torch::nn::Module {
 public:
  explicit PoseNet(const proto::PoseNetwork& options);
  // images [images, 3, 224, 224] -> [images, 576, 14, 14] -> 256, 28, 28 -> 256, 56, 56 ->
  // heat-maps [images, 14, 56, 56], without an activation. Any number of images.
  at::Tensor forward(const at::Tensor& images, const ForwardContext& context);
  // First weights: He's normal in the backbone, normal with deviation 0.01 in the deconvolutions
  // (batch norm follows) and 0.001 in the last layer, so that training starts from maps of about 0.
  void reset(uint64_t seed);

 private:
  const std::shared_ptr<BnInceptionLow> backbone_;
  const std::shared_ptr<DeconvolutionUnit> deconvolution1_, deconvolution2_;
  torch::nn::Conv2d heat_maps_;
};

}  // namespace muster::models
