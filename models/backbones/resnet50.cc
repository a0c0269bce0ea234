#include "models/backbones/resnet50.h"

#include <ATen/ATen.h>

#include <string>

#include "common/error.h"
#include "models/layers/convolution.h"

namespace muster::models {
namespace {

constexpr double kResNetEpsilon = 1e-5;
constexpr int kFirstOfLayer[] = {0, 3, 7, 13, 16};
constexpr int64_t kStem = 64, kExpansion = 4;

int resnet_layer(int block) {
  int layer = 0;
  while (block >= kFirstOfLayer[layer + 1]) ++layer;
  return layer;
}

// Of the 3x3 convolutions of a layer, from 0.
int64_t resnet_inner(int layer, double width) { return scaled_channels(kStem << layer, width); }

}  // namespace

// 1x1 to the inner channels, 3x3, 1x1 to the outer ones, plus the input or a 1x1 of it.
class ResNet50Block : public torch::nn::Module {
 public:
  ResNet50Block(int64_t in, int64_t inner, int64_t out, int64_t stride, bool projected) {
    const auto add = [&](int number, const ConvolutionSize& size) {
      const std::string place = std::to_string(number);
      convolutions_.push_back(register_module("conv" + place, convolution(size, false)));
      norms_.push_back(
          register_module("bn" + place, std::make_shared<BatchNorm>(size.out, kResNetEpsilon)));
    };
    add(1, square(in, inner, 1));
    add(2, square(inner, inner, 3, stride, 1));
    add(3, square(inner, out, 1));
    if (!projected) return;
    const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
    projection_ = downsample->register_module("0", convolution(square(in, out, 1, stride), false));
    projection_norm_ =
        downsample->register_module("1", std::make_shared<BatchNorm>(out, kResNetEpsilon));
  }
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) {
    at::Tensor values = norms_[0]->forward(convolutions_[0](maps), context).relu_();
    values = norms_[1]->forward(convolutions_[1](values), context).relu_();
    values = norms_[2]->forward(convolutions_[2](values), context);
    return values.add_(projection_ ? projection_norm_->forward(projection_(maps), context) : maps)
        .relu_();
  }

 private:
  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  torch::nn::Conv2d projection_{nullptr};
  std::shared_ptr<BatchNorm> projection_norm_;
};

int64_t ResNet50::channels_of(int block, double width) {
  return scaled_channels((kStem << resnet_layer(block)) * kExpansion, width);
}

ResNet50::ResNet50(double width, int first, int end) : first_(first) {
  MUSTER_REQUIRE(first, >=, 0);
  MUSTER_REQUIRE(first, <, end);
  MUSTER_REQUIRE(end, <=, kBlocks);
  int64_t in = scaled_channels(kStem, width);
  if (first == 0) {
    conv1_ = register_module("conv1", convolution(square(3, in, 7, 2, 3), false));
    bn1_ = register_module("bn1", std::make_shared<BatchNorm>(in, kResNetEpsilon));
  } else {
    in = channels_of(first - 1, width);
  }
  std::shared_ptr<torch::nn::Module> holder;
  for (int block = first; block < end; ++block) {
    const int layer = resnet_layer(block), place = block - kFirstOfLayer[layer];
    if (place == 0 || holder == nullptr) {
      holder = register_module("layer" + std::to_string(layer + 1),
                               std::make_shared<torch::nn::Module>());
    }
    const int64_t out = channels_of(block, width);
    const int64_t stride = place == 0 && layer > 0 ? 2 : 1;
    blocks_.push_back(holder->register_module(
        std::to_string(place),
        std::make_shared<ResNet50Block>(in, resnet_inner(layer, width), out, stride, place == 0)));
    in = out;
  }
}

at::Tensor ResNet50::stem(const at::Tensor& images, const ForwardContext& context) {
  MUSTER_REQUIRE(first_, ==, 0);
  MUSTER_REQUIRE(images.size(2) % 32, ==, 0);
  MUSTER_REQUIRE(images.size(3) % 32, ==, 0);
  return at::max_pool2d(bn1_->forward(conv1_(images), context).relu_(), {3, 3}, {2, 2}, {1, 1});
}

at::Tensor ResNet50::blocks(at::Tensor maps, int first, int end, const ForwardContext& context) {
  MUSTER_REQUIRE(first, >=, first_);
  MUSTER_REQUIRE(end - first_, <=, static_cast<int>(blocks_.size()));
  for (int block = first; block < end; ++block) {
    maps = blocks_[static_cast<size_t>(block - first_)]->forward(maps, context);
  }
  return maps;
}

}  // namespace muster::models
