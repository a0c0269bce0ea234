#include "models/stal/trunk.h"

#include <ATen/ATen.h>

#include "models/backbones/bn_inception.h"
#include "models/backbones/resnet50.h"

namespace muster::models {
namespace {

constexpr int kLowBlocks = 10;  // of ResNet-50: up to layer3.2

StalTrunk bn_inception_trunk(double width, bool high) {
  StalTrunk trunk;
  std::shared_ptr<BnInceptionLow> low;
  if (high) {
    const auto whole = std::make_shared<BnInception>(width);
    low = whole;
    trunk.attended = [whole](const at::Tensor& maps, const ForwardContext& context) {
      return whole->inception4c->forward(maps, context);
    };
    trunk.rest = [whole](const at::Tensor& maps, const ForwardContext& context,
                         at::Tensor* after_4e) {
      const at::Tensor middle =
          whole->inception4e->forward(whole->inception4d->forward(maps, context), context);
      if (after_4e != nullptr) *after_4e = middle;
      return whole->inception5b->forward(whole->inception5a->forward(middle, context), context);
    };
  } else {
    low = std::make_shared<BnInceptionLow>(width);
  }
  trunk.module = low;
  trunk.low = [low](const at::Tensor& images, const ForwardContext& context, at::Tensor* after_3c) {
    return low->forward_low(images, context, after_3c);
  };
  trunk.low_channels = low->low_channels();
  trunk.attended_channels = BnInceptionBlock::channels_of("4c", width);
  trunk.channels = BnInceptionBlock::channels_of("5b", width);
  return trunk;
}

StalTrunk resnet50_trunk(double width, bool high) {
  const auto network = std::make_shared<ResNet50>(width, 0, high ? ResNet50::kBlocks : kLowBlocks);
  StalTrunk trunk;
  trunk.module = network;
  trunk.low = [network](const at::Tensor& images, const ForwardContext& context, at::Tensor*) {
    return network->blocks(network->stem(images, context), 0, kLowBlocks, context);
  };
  if (high) {
    trunk.attended = [network](const at::Tensor& maps, const ForwardContext& context) {
      return network->blocks(maps, kLowBlocks, kLowBlocks + 1, context);
    };
    trunk.rest = [network](const at::Tensor& maps, const ForwardContext& context, at::Tensor*) {
      return network->blocks(maps, kLowBlocks + 1, ResNet50::kBlocks, context);
    };
  }
  trunk.low_channels = ResNet50::channels_of(kLowBlocks - 1, width);
  trunk.attended_channels = ResNet50::channels_of(kLowBlocks, width);
  trunk.channels = ResNet50::channels_of(ResNet50::kBlocks - 1, width);
  return trunk;
}

}  // namespace

StalTrunk stal_trunk(proto::Stal::Backbone backbone, double width, bool high) {
  return backbone == proto::Stal::RESNET50 ? resnet50_trunk(width, high)
                                           : bn_inception_trunk(width, high);
}

StalPartTrunk stal_part_trunk(proto::Stal::Backbone backbone, double width) {
  StalPartTrunk trunk;
  if (backbone == proto::Stal::RESNET50) {
    const auto layer4 = std::make_shared<ResNet50>(width, ResNet50::kLayer4, ResNet50::kBlocks);
    trunk.module = layer4;
    trunk.forward = [layer4](const at::Tensor& maps, const ForwardContext& context) {
      return layer4->blocks(maps, ResNet50::kLayer4, ResNet50::kBlocks, context);
    };
    trunk.channels = ResNet50::channels_of(ResNet50::kBlocks - 1, width);
    return trunk;
  }
  trunk.module = std::make_shared<torch::nn::Module>();
  std::vector<std::shared_ptr<BnInceptionBlock>> blocks;
  for (const char* name : {"4c", "4d", "4e"}) {
    blocks.push_back(trunk.module->register_module(
        std::string("inception") + name, std::make_shared<BnInceptionBlock>(name, width)));
  }
  trunk.channels = blocks.back()->channels();
  trunk.forward = [blocks](const at::Tensor& maps, const ForwardContext& context) {
    at::Tensor values = maps;
    for (const auto& block : blocks) values = block->forward(values, context);
    return values;
  };
  return trunk;
}

}  // namespace muster::models
