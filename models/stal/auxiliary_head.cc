#include "models/stal/auxiliary_head.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace muster::models {
namespace {

constexpr int64_t kPoolWindow = 5, kPoolStride = 3;
constexpr double kAuxiliaryEpsilon = 1e-5;

at::Tensor pooled(const at::Tensor& maps) {
  const bool small = std::min(maps.size(2), maps.size(3)) < kPoolWindow;
  return small ? maps.mean({2, 3}, true)
               : at::avg_pool2d(maps, {kPoolWindow, kPoolWindow}, {kPoolStride, kPoolStride});
}

}  // namespace

AuxiliaryHead::AuxiliaryHead(int64_t in, int64_t side, double width, int64_t identities) {
  const int64_t channels = scaled_channels(128, width), hidden = scaled_channels(1024, width);
  const int64_t places = side < kPoolWindow ? 1 : (side - kPoolWindow) / kPoolStride + 1;
  conv_ = register_module(
      "conv", std::make_shared<ConvolutionUnit>(square(in, channels, 1), kAuxiliaryEpsilon));
  fc_ = register_module("fc", torch::nn::Linear(channels * places * places, hidden));
  classifier_ = register_module("classifier", torch::nn::Linear(hidden, identities));
}

at::Tensor AuxiliaryHead::forward(const at::Tensor& maps, const ForwardContext& context) {
  return classifier_(fc_(conv_->forward(pooled(maps), context).flatten(1)).relu());
}

}  // namespace muster::models
