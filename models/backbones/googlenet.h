// GoogLeNet (Szegedy et al. 2015) up to its last pool, in the four parts that TRL cuts it into.
#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "models/model.h"

namespace muster::models {

struct GoogLeNetOptions {
  // Without: torchvision's variant, batch norm (epsilon 1e-3) after convolutions that have no bias,
  // 3x3 where the paper has 5x5, last pool 2x2. With: biases, true 5x5, local response
  // normalisation, last pool 3x3.
  bool v1 = false;
  double width = 1;  // times all channels
  // Convolutions before the first Inception block; without, convs() must not be called.
  bool stem = true;
};

// One of the paper's blocks: four branches, their outputs one after the other.
struct InceptionChannels {
  int64_t one, three_reduce, three, five_reduce, five, pool;
};

class GoogLeNetInception;
class GoogLeNetConvolution;

// Parameters by torchvision's names: conv1.conv.weight, conv1.bn.weight,
// inception3a.branch2.0.conv.weight, ... (v1: conv.bias in place of bn). Sizes are for 224 pixels
// and width 1; sides must be multiples of 32. Any number of images.
class GoogLeNet : public torch::nn::Module {
 public:
  explicit GoogLeNet(const GoogLeNetOptions& options);

  // [images, 3, 224, 224] -> [images, 192, 56, 56]
  at::Tensor convs(const at::Tensor& images, const ForwardContext& context);
  // -> [images, 480, 28, 28]
  at::Tensor inception1(const at::Tensor& maps, const ForwardContext& context);
  // -> [images, 832, 14, 14]
  at::Tensor inception2(const at::Tensor& maps, const ForwardContext& context);
  // -> [images, 1024, 7, 7]
  at::Tensor inception3(const at::Tensor& maps, const ForwardContext& context);

  int64_t middle_channels() const { return middle_channels_; }  // of inception2(): 832
  int64_t channels() const { return channels_; }                // of inception3(): 1024

 private:
  using Blocks = std::vector<std::shared_ptr<GoogLeNetInception>>;
  // Registers inceptionSTAGEa, ...b, ... and moves `channels` to the last one's output.
  Blocks blocks(int stage, const std::vector<InceptionChannels>& sizes, int64_t& channels);

  const GoogLeNetOptions options_;
  std::shared_ptr<GoogLeNetConvolution> conv1_, conv2_, conv3_;
  Blocks stage3_, stage4_, stage5_;
  int64_t middle_channels_ = 0, channels_ = 0;
};

}  // namespace muster::models
