// One pass of a backbone, for comparison with other implementations:
//   forward_backbone NAME train|eval CLASSES WEIGHTS INPUT OUTPUT [FIELD=VALUE]
// WEIGHTS and INPUT (tensor "input" [images, channels, height, width]) are safetensors; OUTPUT gets
// all of the backbone's outputs.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>

#include <iostream>
#include <string>

#include "models/backbones/backbone_catalog.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"

namespace {

using namespace muster::models;

int forward(const BackboneEntry& entry, char** arguments, const std::string& settings) {
  const at::NoGradGuard no_gradients;
  OwnStatistics alone;
  ForwardContext context;
  context.training = std::string(arguments[2]) == "train";
  context.statistics = &alone;
  muster::proto::Backbone options;
  if (!google::protobuf::TextFormat::ParseFromString(settings, &options)) return 2;
  options.set_classes(std::stoi(arguments[3]));
  const Backbone backbone = entry.create(options, 1);
  load_weights(weights_of(backbone), read_safetensors(arguments[4]).tensors, Loading::kStrict,
               arguments[4]);
  NamedTensors outputs;
  const at::Tensor images = read_safetensors(arguments[5]).tensors.at("input");
  backbone.module->to(images.scalar_type());
  for (const auto& [name, value] : backbone.forward(images, context)) {
    outputs.emplace_back(name, value.contiguous());
  }
  write_safetensors(arguments[6], outputs, {});
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 7 && count != 8) {
    std::cerr << "forward_backbone NAME train|eval CLASSES WEIGHTS INPUT OUTPUT [FIELD=VALUE]\n";
    return 2;
  }
  for (const BackboneEntry& entry : backbone_catalog()) {
    if (entry.name == arguments[1]) {
      return forward(entry, arguments, count == 8 ? arguments[7] : "");
    }
  }
  std::cerr << "no backbone " << arguments[1] << '\n';
  return 2;
}
