// What every network's Model does alike: parameters, buffers and types of a torch module.
#pragma once

#include <torch/nn/module.h>

#include "models/model.h"

namespace muster::models {

// `Interface` is Model or PairModel; the derived class builds `network` and hands it over.
template <typename Interface>
class NetworkModel : public Interface {
 public:
  explicit NetworkModel(std::shared_ptr<torch::nn::Module> network)
      : network_(std::move(network)) {}
  NamedTensors parameters() const override {
    NamedTensors named;
    for (const auto& item : network_->named_parameters()) {
      named.emplace_back(item.key(), item.value());
    }
    return named;
  }
  NamedTensors buffers() const override {
    NamedTensors named;
    for (const auto& item : network_->named_buffers()) named.emplace_back(item.key(), item.value());
    return named;
  }
  void to(at::ScalarType type) override { network_->to(type); }

 private:
  const std::shared_ptr<torch::nn::Module> network_;
};

}  // namespace muster::models
