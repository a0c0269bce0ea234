// One pass of a backbone, for comparison with torchvision's:
//   forward_backbone NAME train|eval WEIGHTS INPUT OUTPUT
// WEIGHTS and INPUT (tensor "input" [images, 3, height, width]) are safetensors; OUTPUT gets the
// backbone's last maps as "output".
#include <ATen/ATen.h>

#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

#include "models/backbones/backbone_catalog.h"
#include "models/backbones/googlenet.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"

namespace {

using namespace muster::models;

class Alone : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local; }
  bool alone() const override { return true; }
};

at::Tensor googlenet_maps(const std::map<std::string, at::Tensor>& weights,
                          const at::Tensor& images, const ForwardContext& context) {
  GoogLeNet network({/*v1=*/false, /*width=*/1, /*stem=*/true});
  NamedTensors own;
  for (const auto& item : network.named_parameters()) own.emplace_back(item.key(), item.value());
  for (const auto& item : network.named_buffers()) own.emplace_back(item.key(), item.value());
  load_weights(own, weights, Loading::kStrict, "torchvision");
  const at::Tensor maps = network.inception1(network.convs(images, context), context);
  return network.inception3(network.inception2(maps, context), context);
}

// Of a backbone of the catalogue.
at::Tensor catalogue_maps(const std::string& name, const std::map<std::string, at::Tensor>& weights,
                          const at::Tensor& images, const ForwardContext& context) {
  for (const BackboneEntry& entry : backbone_catalog()) {
    if (entry.name != name) continue;
    const Backbone backbone = entry.create({}, 1);
    load_weights(weights_of(backbone), weights, Loading::kStrict, "torch");
    return backbone.forward(images, context).at("maps");
  }
  throw std::runtime_error("no backbone " + name);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "forward_backbone NAME train|eval WEIGHTS INPUT OUTPUT\n";
    return 2;
  }
  const at::NoGradGuard no_gradients;
  Alone alone;
  ForwardContext context;
  context.training = std::string(arguments[2]) == "train";
  context.statistics = &alone;
  const at::Tensor images = read_safetensors(arguments[4]).tensors.at("input");
  const std::string name = arguments[1];
  const auto weights = read_safetensors(arguments[3]).tensors;
  const at::Tensor maps = name == "googlenet" ? googlenet_maps(weights, images, context)
                                              : catalogue_maps(name, weights, images, context);
  write_safetensors(arguments[5], {{"output", maps.contiguous()}}, {});
  return 0;
}
