// A backbone as it is published for classification: the trunk, and one layer "fc" behind its
// pooled maps.
#pragma once

#include <torch/nn/modules/linear.h>

#include "models/backbones/backbone_catalog.h"

namespace muster::models {

// Trunk's weights and fc's stand side by side, as torchvision names them.
template <typename Trunk>
class ClassifiedBackbone : public Trunk {
 public:
  using Trunk::Trunk;
  // 0 classes: no layer.
  void add_classifier(int64_t features, int64_t classes) {
    if (classes > 0) fc_ = this->register_module("fc", torch::nn::Linear(features, classes));
  }
  // maps [images, channels, height, width] -> "maps", "features" [images, channels] and, with a
  // classifier, "logits" [images, classes]. Published dropout before fc is left out.
  BackboneOutputs outputs(const at::Tensor& maps) {
    const at::Tensor features = maps.mean({2, 3});
    BackboneOutputs outputs = {{"maps", maps}, {"features", features}};
    if (!fc_.is_empty()) outputs["logits"] = fc_(features);
    return outputs;
  }

 private:
  torch::nn::Linear fc_{nullptr};
};

}  // namespace muster::models
