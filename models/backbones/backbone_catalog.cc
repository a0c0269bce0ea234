#include "models/backbones/backbone_catalog.h"

#include "models/backbones/classified_backbone.h"

namespace muster::models {

const std::vector<BackboneEntry>& backbone_catalog() {
  static const std::vector<BackboneEntry> catalog = {
      {"googlenet", "Szegedy et al. 2015, torchvision's variant or v1", 3, 224, 224,
       &create_googlenet},
      {"inception_v3", "Szegedy et al. 2016, with its auxiliary classifier", 3, 299, 299,
       &create_inception_v3},
      {"mclaughlin_cnn", "McLaughlin et al. 2016, the CNN of CNN-RNN", 5, 56, 40,
       &create_mclaughlin_cnn},
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
