// One pass of a backbone, for comparison with torchvision's:
//   forward_backbone NAME train|eval WEIGHTS INPUT OUTPUT
// WEIGHTS and INPUT (tensor "input" [images, 3, height, width]) are safetensors; OUTPUT gets the
// backbone's last maps as "output", of caffenet fc7.
#include <ATen/ATen.h>

#include <iostream>
#include <map>
#include <string>

#include "models/backbones/caffenet.h"
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

void load_into(const torch::nn::Module& network, const std::map<std::string, at::Tensor>& weights) {
  NamedTensors own;
  for (const auto& item : network.named_parameters()) own.emplace_back(item.key(), item.value());
  for (const auto& item : network.named_buffers()) own.emplace_back(item.key(), item.value());
  load_weights(own, weights, Loading::kStrict, "torchvision");
}

// fc7, [images, 1024]; dropout off in both modes.
at::Tensor caffenet_features(const std::map<std::string, at::Tensor>& weights,
                             const at::Tensor& images, const ForwardContext& context) {
  CaffeNetOptions options;
  options.dropout = 0;
  options.input_size = images.size(2);
  CaffeNet network(options);
  load_into(network, weights);
  return network.fc7(network.pool5(images), /*frames=*/1, context).flatten(0, 1);
}

at::Tensor googlenet_maps(const std::map<std::string, at::Tensor>& weights,
                          const at::Tensor& images, const ForwardContext& context) {
  GoogLeNet network({/*v1=*/false, /*width=*/1, /*stem=*/true});
  load_into(network, weights);
  const at::Tensor maps = network.inception1(network.convs(images, context), context);
  return network.inception3(network.inception2(maps, context), context);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string name = count == 6 ? arguments[1] : "";
  if (name != "googlenet" && name != "caffenet") {
    std::cerr << "forward_backbone googlenet|caffenet train|eval WEIGHTS INPUT OUTPUT\n";
    return 2;
  }
  const at::NoGradGuard no_gradients;
  Alone alone;
  ForwardContext context;
  context.training = std::string(arguments[2]) == "train";
  context.statistics = &alone;
  const at::Tensor images = read_safetensors(arguments[4]).tensors.at("input");
  const auto weights = read_safetensors(arguments[3]).tensors;
  const at::Tensor maps = name == "googlenet" ? googlenet_maps(weights, images, context)
                                              : caffenet_features(weights, images, context);
  write_safetensors(arguments[5], {{"output", maps.contiguous()}}, {});
  return 0;
}
