#include "models/backbones/backbone_catalog.h"

#include "models/backbones/caffenet.h"

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

}  // namespace

const std::vector<BackboneEntry>& backbone_catalog() {
  static const std::vector<BackboneEntry> catalog = {
      {"caffenet", "BVLC reference network, full layers of 1024 as in See the Forest", 3, 227, 227,
       &create_caffenet},
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
