#include "models/backbones/backbone_catalog.h"

namespace muster::models {

const std::vector<BackboneEntry>& backbone_catalog() {
  static const std::vector<BackboneEntry> catalog = {};
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
