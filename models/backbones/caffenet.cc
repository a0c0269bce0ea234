#include "models/backbones/caffenet.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/keyed_dropout.h"
#include "models/layers/convolution.h"
#include "models/layers/local_response_norm.h"

namespace muster::models {
namespace {

constexpr uint64_t kFc6Dropout = 1, kFc7Dropout = 2;

torch::nn::Conv2d grouped_convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                      int64_t padding, int64_t groups) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding).groups(groups));
}

at::Tensor caffe_pool(const at::Tensor& maps) {
  return at::max_pool2d(maps, {3, 3}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/true);
}

}  // namespace

CaffeNet::CaffeNet(const CaffeNetOptions& options) : options_(options) {
  MUSTER_REQUIRE(options.input_size, >=, kSmallestInput);
  // Even, so that two groups share them.
  const auto scaled = [&](int64_t channels) {
    return 2 * scaled_channels(channels / 2, options.width);
  };
  const int64_t first = scaled(96), second = scaled(256), middle = scaled(384);
  channels_ = map_channels(options.width);
  conv1_ = register_module("conv1", grouped_convolution(3, first, 11, 4, 0, 1));
  conv2_ = register_module("conv2", grouped_convolution(first, second, 5, 1, 2, 2));
  conv3_ = register_module("conv3", grouped_convolution(second, middle, 3, 1, 1, 1));
  conv4_ = register_module("conv4", grouped_convolution(middle, middle, 3, 1, 1, 2));
  conv5_ = register_module("conv5", grouped_convolution(middle, channels_, 3, 1, 1, 2));
  if (options.features == 0) return;
  const int64_t size = map_size(options.input_size);
  fc6_ = register_module("fc6", torch::nn::Linear(channels_ * size * size, options.features));
  fc7_ = register_module("fc7", torch::nn::Linear(options.features, options.features));
}

at::Tensor CaffeNet::pool5(const at::Tensor& images) {
  at::Tensor maps = local_response_norm(caffe_pool(conv1_(images).relu_()));
  maps = local_response_norm(caffe_pool(conv2_(maps).relu_()));
  maps = conv4_(conv3_(maps).relu_()).relu_();
  return caffe_pool(conv5_(maps).relu_());
}

at::Tensor CaffeNet::fc7(const at::Tensor& maps, int64_t frames, const ForwardContext& context) {
  MUSTER_REQUIRE(options_.features, >, 0);
  MUSTER_REQUIRE(frames, >, 0);
  const auto dropped = [&](const at::Tensor& values, uint64_t layer) {
    if (!context.training) return values;
    return keyed_dropout(values, options_.dropout, context.clip_keys, layer);
  };
  const int64_t places = maps.size(1) * maps.size(2) * maps.size(3);
  at::Tensor values = fc6_(maps.reshape({maps.size(0) / frames, frames, places})).relu_();
  values = fc7_(dropped(values, kFc6Dropout)).relu_();
  return dropped(values, kFc7Dropout);
}

int64_t CaffeNet::map_channels(double width) { return 2 * scaled_channels(128, width); }

int64_t CaffeNet::map_size(int64_t input) {
  int64_t size = (input - 11) / 4 + 1;
  for (int pool = 0; pool < 3; ++pool) size = (size - 2) / 2 + 1;  // (size - 3) / 2, rounded up
  return size;
}

}  // namespace muster::models
