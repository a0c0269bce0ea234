// The backbones of STAL, cut where its branches leave them.
#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

#include "models/model.h"
#include "proto/model.pb.h"

namespace muster::models {

using TrunkStep = std::function<at::Tensor(const at::Tensor& maps, const ForwardContext& context)>;

// Sizes of pictures of 224 pixels and width 1, for BN-Inception and ResNet-50.
struct StalTrunk {
  std::shared_ptr<torch::nn::Module> module;
  TrunkStep low;       // pictures -> [images, 576 or 1024, 14, 14]: to 4b; to layer3.2
  TrunkStep attended;  // -> [images, 576 or 1024, 14, 14]: 4c; layer3.3
  TrunkStep rest;      // -> [images, 1024 or 2048, 7, 7]: 4d to 5b; layer3.4 to layer4.2
  int64_t low_channels, attended_channels, channels;
};

// With `high` only if the global branch is there; without, `attended` and `rest` are empty.
StalTrunk stal_trunk(proto::Stal::Backbone backbone, double width, bool high);

// What a body part has for itself, parameters by the backbone's names.
struct StalPartTrunk {
  std::shared_ptr<torch::nn::Module> module;
  TrunkStep
      forward;  // [images, 576 or 1024, 8, 8] -> [images, 1024 or 2048, 4, 4]: 4c to 4e; layer4
  int64_t channels;
};

StalPartTrunk stal_part_trunk(proto::Stal::Backbone backbone, double width);

}  // namespace muster::models
