#include "models/stal/quality_attention.h"

#include <ATen/ATen.h>

#include "models/layers/convolution.h"

namespace muster::models {

QualityAttention::QualityAttention(int64_t channels, int64_t input_size, int64_t parts) {
  const int64_t side = input_size / 4 / 7;
  conv1_ = register_module("conv1", convolution(square(3, channels, 7, 2, 3), true));
  conv2_ = register_module("conv2", convolution(square(channels, channels, 3, 1, 1), true));
  conv3_ = register_module("conv3", convolution(square(channels, channels, 3, 1, 1), true));
  fc_ = register_module("fc", torch::nn::Linear(channels * side * side, parts));
}

at::Tensor QualityAttention::scores(const at::Tensor& images) {
  const at::Tensor low =
      at::max_pool2d(conv1_(images), {3, 3}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/true);
  const at::Tensor pooled = at::max_pool2d(conv3_(conv2_(low)), {7, 7}, {7, 7});
  return fc_(pooled.flatten(1)).sigmoid_();
}

void QualityAttention::reset_to_equal() {
  fc_->weight.detach().zero_();
  fc_->bias.detach().zero_();
}

}  // namespace muster::models
