#include "models/backbones/frame_network.h"

#include <torch/nn/modules/conv.h>

#include "models/keyed_dropout.h"
#include "models/layers/convolution.h"
#include "models/layers/halving_pool.h"

namespace muster::models {
namespace {

constexpr uint64_t kFeatureDropoutLayer = 1;

// Figures 3b and 3c: both paths grow by 4 pixels and are added; 3b has a Tanh on the main path.
struct GrowingBlock : torch::nn::Module {
  torch::nn::Conv2d main1, main2, shortcut;
  const bool activation;
  GrowingBlock(int64_t in, int64_t out, bool activation_inside)
      : main1(register_module("main1", convolution(square(in, out, 5, 1, 4), true))),
        main2(register_module("main2", convolution(square(out, out, 3, 1, 1), true))),
        shortcut(register_module("shortcut", convolution(square(in, out, 5, 1, 4), true))),
        activation(activation_inside) {}
  at::Tensor forward(const at::Tensor& maps) {
    const at::Tensor inner = main1(maps);
    return main2(activation ? at::tanh(inner) : inner).add_(shortcut(maps));
  }
};

// Figure 3a, ResNet's: ReLU inside, the size stays; the shortcut is the identity where it can be.
struct PlainBlock : torch::nn::Module {
  torch::nn::Conv2d main1, main2, shortcut{nullptr};
  PlainBlock(int64_t in, int64_t out)
      : main1(register_module("main1", convolution(square(in, out, 3, 1, 1), true))),
        main2(register_module("main2", convolution(square(out, out, 3, 1, 1), true))) {
    if (in != out) shortcut = register_module("shortcut", convolution(square(in, out, 1), true));
  }
  at::Tensor forward(const at::Tensor& maps) {
    return main2(main1(maps).relu_()).add_(shortcut ? shortcut(maps) : maps);
  }
};

}  // namespace

FrameNetwork::FrameNetwork(const FrameNetworkOptions& options)
    : channels_(options.channels),
      height_(options.height),
      width_(options.width),
      dropout_(options.dropout) {
  const int64_t first = scaled_channels(16, options.filters);
  const int64_t second = scaled_channels(32, options.filters);
  add_convolution("conv", first);
  switch (options.structure) {
    case proto::Stsrn::BASE:
      add_convolution("conv2", second);
      add_convolution("conv3", second);
      break;
    case proto::Stsrn::SINGLE_RESIDUAL:
      add_convolution("conv2", second);
      add_residual("residual1", second, options);
      break;
    case proto::Stsrn::DOUBLE_RESIDUAL:
    case proto::Stsrn::DOUBLE_PLAIN_RESIDUAL:
      add_residual("residual1", second, options);
      add_residual("residual2", second, options);
      break;
    case proto::Stsrn::TRIPLE_RESIDUAL:
      add_residual("residual1", second, options, /*pooled=*/false);
      add_residual("residual2", second, options);
      add_residual("residual3", second, options);
      break;
  }
  features_ = register_module("features",
                              torch::nn::Linear(channels_ * height_ * width_, options.features));
}

void FrameNetwork::add_convolution(const std::string& name, int64_t out) {
  auto layer = register_module(name, convolution(square(channels_, out, 5, 1, 4), true));
  add_stage({[layer](const at::Tensor& maps) { return layer->forward(maps); }, true}, out, 4);
}

void FrameNetwork::add_residual(const std::string& name, int64_t out,
                                const FrameNetworkOptions& options, bool pooled) {
  if (options.structure == proto::Stsrn::DOUBLE_PLAIN_RESIDUAL) {
    auto block = register_module(name, std::make_shared<PlainBlock>(channels_, out));
    add_stage({[block](const at::Tensor& maps) { return block->forward(maps); }, pooled}, out, 0);
  } else {
    auto block = register_module(
        name, std::make_shared<GrowingBlock>(channels_, out, options.activation_in_block));
    add_stage({[block](const at::Tensor& maps) { return block->forward(maps); }, pooled}, out, 4);
  }
}

void FrameNetwork::add_stage(Stage stage, int64_t out, int64_t growth) {
  const int64_t shrinkage = stage.pooled ? 2 : 1;
  channels_ = out;
  height_ = (height_ + growth) / shrinkage;
  width_ = (width_ + growth) / shrinkage;
  stages_.push_back(std::move(stage));
}

at::Tensor FrameNetwork::frame_features(const at::Tensor& images, const ForwardContext& context) {
  const int64_t clips = images.size(0), frames = images.size(1);
  at::Tensor maps = images.flatten(0, 1);
  for (const Stage& stage : stages_) {
    maps = stage.filter(maps);
    // Tanh rises, so that it may as well follow the pool, on a quarter of the values.
    maps = (stage.pooled ? halving_pool(maps) : maps).tanh_();
  }
  maps = maps.view({clips, frames, channels_ * height_ * width_});
  if (context.training)
    maps = keyed_dropout(maps, dropout_, context.clip_keys, kFeatureDropoutLayer);
  return features_(maps);
}

}  // namespace muster::models
