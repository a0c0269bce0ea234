#include "models/backbones/backbone_catalog.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/backbones/bn_inception.h"
#include "models/backbones/caffenet.h"
#include "models/backbones/resnet50.h"
#include "models/initialisation.h"

namespace muster::models {
namespace {

// "maps" are pool5, "features" fc7.
Backbone create_caffenet(const proto::Backbone& options, uint64_t seed) {
  CaffeNetOptions settings;
  settings.width = options.width();
  const auto network = std::make_shared<CaffeNet>(settings);
  initialise(*network, "", seed);
  return {network, [network](const at::Tensor& images, const ForwardContext& context) {
            const at::Tensor maps = network->pool5(images);
            const at::Tensor features = network->fc7(maps, /*frames=*/1, context);
            return BackboneOutputs{{"maps", maps}, {"features", features.flatten(0, 1)}};
          }};
}

void check_backbone_width(const proto::Backbone& options) {
  if (!(options.width() > 0 && options.width() <= 16)) {
    throw common::InputError("backbone.width",
                             std::to_string(options.width()) + " is not in (0, 16]");
  }
}

Backbone create_bn_inception(const proto::Backbone& options, uint64_t seed) {
  check_backbone_width(options);
  const auto network = std::make_shared<BnInception>(options.width());
  for (const auto& item : network->named_parameters()) {
    if (item.value().dim() >= 2) xavier_uniform_(item.value(), seed, item.key());
  }
  return {network, [network](const at::Tensor& images, const ForwardContext& context) {
            const at::Tensor maps = network->forward(images, context);
            return BackboneOutputs{{"maps", maps}, {"features", maps.mean({2, 3})}};
          }};
}

Backbone create_resnet50(const proto::Backbone& options, uint64_t seed) {
  check_backbone_width(options);
  const auto network = std::make_shared<ResNet50>(options.width());
  for (const auto& item : network->named_parameters()) {
    if (item.value().dim() >= 2) kaiming_normal_(item.value(), true, seed, item.key());
  }
  return {network, [network](const at::Tensor& images, const ForwardContext& context) {
            const at::Tensor maps =
                network->blocks(network->stem(images, context), 0, ResNet50::kBlocks, context);
            return BackboneOutputs{{"maps", maps}, {"features", maps.mean({2, 3})}};
          }};
}

}  // namespace

const std::vector<BackboneEntry>& backbone_catalog() {
  static const std::vector<BackboneEntry> catalog = {
      {"caffenet", "BVLC reference network, full layers of 1024 as in See the Forest", 3, 227, 227,
       &create_caffenet},
      {"bn_inception",
       "Ioffe and Szegedy 2015, Inception with batch norm, channels of STAL's Table I", 3, 224, 224,
       &create_bn_inception},
      {"resnet50", "He et al. 2016, deep residual learning", 3, 224, 224, &create_resnet50},
  };
  return catalog;
}

NamedTensors weights_of(const Backbone& backbone) {
  NamedTensors weights;
  for (const auto& item : backbone.module->named_parameters()) {
    weights.emplace_back(item.key(), item.value());
  }
  for (const auto& item : backbone.module->named_buffers()) {
    weights.emplace_back(item.key(), item.value());
  }
  return weights;
}

}  // namespace muster::models
