// A backbone as it is published for classification: the trunk, and one layer "fc" behind its
// pooled maps.
#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>
#include <utility>

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

// Throws InputError naming "width" or "classes" unless they are in (0, 16] and 0 to 10,000,000.
void require_backbone(const proto::Backbone& options);
// Throws InputError unless the sides [images, channels, height, width] are at least `smallest` and
// multiples of `multiple`.
void require_picture(const at::Tensor& images, int64_t smallest, int64_t multiple,
                     const std::string& backbone);
// Kaiming's for kernels and matrices, 0 for biases, 1 for the weights of batch norms.
void initialise_backbone(torch::nn::Module& module, uint64_t seed);

Backbone create_googlenet(const proto::Backbone& options, uint64_t seed);
Backbone create_inception_v3(const proto::Backbone& options, uint64_t seed);
Backbone create_mclaughlin_cnn(const proto::Backbone& options, uint64_t seed);

}  // namespace muster::models
