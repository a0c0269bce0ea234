#include "models/stal/residual_attention.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/layers/convolution.h"

namespace muster::models {

ResidualAttention::ResidualAttention(int64_t in, int64_t out, double width) {
  const int64_t narrow = scaled_channels(64, width), wide = scaled_channels(192, width);
  conv1_ = register_module("conv1", convolution(square(in, narrow, 1), true));
  conv2_ = register_module("conv2", convolution(square(narrow, wide, 3, 1, 1), true));
  deconv_ = register_module(
      "deconv", torch::nn::ConvTranspose2d(
                    torch::nn::ConvTranspose2dOptions(wide, wide, 4).stride(2).padding(1)));
  conv3_ = register_module("conv3", convolution(square(wide, out, 1), true));
}

at::Tensor ResidualAttention::mask(const at::Tensor& maps) {
  MUSTER_REQUIRE(maps.size(2) % 2, ==, 0);
  MUSTER_REQUIRE(maps.size(3) % 2, ==, 0);
  const at::Tensor halved = at::max_pool2d(conv1_(maps).relu_(), {3, 3}, {2, 2}, {0, 0}, {1, 1},
                                           /*ceil_mode=*/true);
  return conv3_(deconv_(conv2_(halved).relu_()).relu_()).sigmoid_();
}

at::Tensor attended(const at::Tensor& maps, const at::Tensor& mask) {
  return at::addcmul(maps, mask, maps);
}

}  // namespace muster::models
