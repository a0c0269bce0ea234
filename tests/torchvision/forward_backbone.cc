// One pass of a backbone, for comparison with torchvision's:
//   forward_backbone NAME train|eval WEIGHTS INPUT OUTPUT
// WEIGHTS and INPUT (tensor "input" [images, 3, height, width]) are safetensors; OUTPUT gets the
// backbone's last maps as "output".
#include <ATen/ATen.h>

#include <iostream>
#include <map>
#include <string>

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

}  // namespace

int main(int count, char** arguments) {
  if (count != 6 || std::string(arguments[1]) != "googlenet") {
    std::cerr << "forward_backbone googlenet train|eval WEIGHTS INPUT OUTPUT\n";
    return 2;
  }
  const at::NoGradGuard no_gradients;
  Alone alone;
  ForwardContext context;
  context.training = std::string(arguments[2]) == "train";
  context.statistics = &alone;
  const at::Tensor images = read_safetensors(arguments[4]).tensors.at("input");
  const at::Tensor maps = googlenet_maps(read_safetensors(arguments[3]).tensors, images, context);
  write_safetensors(arguments[5], {{"output", maps.contiguous()}}, {});
  return 0;
}
