// ResNet-50 (He et al. 2016) as torchvision lays it out and names its weights: strides in the 3x3
// convolutions, batch norm epsilon 1e-5.
#pragma once

#include <torch/nn/modules/conv.h>

#include <memory>
#include <vector>

#include "models/layers/batch_norm.h"
#include "models/model.h"

namespace muster::models {

class ResNet50Block;

// The sixteen bottleneck blocks, numbered from 0: layer1.0 is 0, layer2.0 is 3, layer3.0 is 7,
// layer4.0 is 13. A network may hold only some of them, so that it can be cut and shared.
class ResNet50 : public torch::nn::Module {
 public:
  static constexpr int kBlocks = 16, kLayer4 = 13;

  // Blocks from `first` to before `end`; the stem (conv1, bn1) where `first` is 0. `width` scales
  // the channels of every layer and of the first block's input.
  explicit ResNet50(double width, int first = 0, int end = kBlocks);

  // [images, 3, 224, 224] -> [images, 64, 56, 56]; sides must be multiples of 32.
  at::Tensor stem(const at::Tensor& images, const ForwardContext& context);
  // Through blocks `first` to before `end`, which the network must hold. Layers 2 to 4 halve the
  // sides: 256x56x56, 512x28x28, 1024x14x14, 2048x7x7. Any number of images.
  at::Tensor blocks(at::Tensor maps, int first, int end, const ForwardContext& context);

  // Of the output of block `block`, at this width.
  static int64_t channels_of(int block, double width);

 private:
  const int first_;
  torch::nn::Conv2d conv1_{nullptr};
  std::shared_ptr<BatchNorm> bn1_;
  std::vector<std::shared_ptr<ResNet50Block>> blocks_;
};

}  // namespace muster::models
