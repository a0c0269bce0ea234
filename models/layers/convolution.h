// Convolution with batch normalisation and ReLU, by torchvision's names: conv.weight, bn.weight,
// ...
#pragma once

#include <torch/nn/modules/conv.h>

#include <memory>

#include "models/layers/batch_norm.h"

namespace muster::models {

struct ConvolutionSize {
  int64_t in, out;                // channels
  int64_t height = 1, width = 1;  // of the kernel
  int64_t stride = 1;
  int64_t pad_height = 0, pad_width = 0;
};

// A square kernel.
ConvolutionSize square(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                       int64_t padding = 0);

torch::nn::Conv2d convolution(const ConvolutionSize& size, bool bias);

class ConvolutionUnit : public torch::nn::Module {
 public:
  ConvolutionUnit(const ConvolutionSize& size, double epsilon);
  // [images, in, height, width] -> [images, out, ...]
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context);

 private:
  torch::nn::Conv2d conv_;
  std::shared_ptr<BatchNorm> bn_;
};

// `channels` times `width`, at least 1: how networks are made small.
int64_t scaled_channels(int64_t channels, double width);

}  // namespace muster::models
