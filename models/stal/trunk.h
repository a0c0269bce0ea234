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

// A step that also gives away what it passes on its way, if asked, and if the backbone has it.
using TrunkPassage = std::function<at::Tensor(const at::Tensor& maps, const ForwardContext& context,
                                              at::Tensor* passed)>;

// Sizes of pictures of 224 pixels and width 1, for BN-Inception and ResNet-50.
struct StalTrunk {
  std::shared_ptr<torch::nn::Module> module;
  // Pictures -> [images, 576 or 1024, 14, 14]: to 4b, past 3c [images, 576, 14, 14]; to layer3.2
  TrunkPassage low;
  TrunkStep attended;  // -> [images, 576 or 1024, 14, 14]: 4c; layer3.3
  // -> [images, 1024 or 2048, 7, 7]: 4d to 5b, past 4e [images, 1024, 7, 7]; layer3.4 to layer4.2
  TrunkPassage rest;
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
