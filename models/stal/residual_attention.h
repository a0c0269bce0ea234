// The residual attention branch (RAN) of STAL (Song et al. 2018, Figure 3a): where a map matters.
#pragma once

#include <torch/nn/modules/conv.h>

namespace muster::models {

// M = sigmoid(conv3(deconv(conv2(maxpool(conv1(F))))))
//   conv1 1x1 to 64, maxpool 3x3/2 (ceil), conv2 3x3 to 192, deconv 4x4/2 (padding 1) to 192, conv3
//   1x1 to `out`; ReLU behind all convolutions but the last; all with biases.
class ResidualAttention : public torch::nn::Module {
 public:
  // `width` scales the 64 and the 192.
  ResidualAttention(int64_t in, int64_t out, double width);
  // [images, in, height, width] -> [images, out, height, width] in (0, 1); even sides, any number
  // of images.
  at::Tensor mask(const at::Tensor& maps);

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  torch::nn::ConvTranspose2d deconv_{nullptr};
};

// (1 + M) y
at::Tensor attended(const at::Tensor& maps, const at::Tensor& mask);

}  // namespace muster::models
