// Backbones by name, each usable without the network around it: to check weights that were trained
// elsewhere, and to compare with other implementations.
#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"
#include "proto/model.pb.h"

namespace muster::models {

// Tensors by name, first axis images: "maps" of the last block, "features" after global pooling,
// others as the backbone says.
using BackboneOutputs = std::map<std::string, at::Tensor>;

// A module, and how pictures go through it.
struct Backbone {
  std::shared_ptr<torch::nn::Module> module;
  // [images, channels, height, width]; any number of images.
  std::function<BackboneOutputs(const at::Tensor& images, const ForwardContext& context)> forward;
};

struct BackboneEntry {
  std::string name;             // torchvision's where it has the network
  std::string summary;          // paper, one line
  int channels, height, width;  // of the pictures that it is published for
  Backbone (*create)(const proto::Backbone& options, uint64_t seed);
};

// To add one: an entry in backbone_catalog.cc, whose create function captures the module in
// `forward`.
const std::vector<BackboneEntry>& backbone_catalog();

NamedTensors weights_of(const Backbone& backbone);

}  // namespace muster::models
