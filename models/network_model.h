// What networks' Models do alike: parameters, buffers and types of a torch module; square pictures;
// variants of a tracklet.
#pragma once

#include <torch/nn/module.h>

#include <array>
#include <memory>

#include "models/model.h"

namespace muster::models {

// Square pictures of `size` pixels without flow: colours from 0 to 1 less `mean`, divided by
// `deviation`.
InputFormat square_format(int size, InputColour colour, InputInterpolation interpolation,
                          const std::array<float, 3>& mean, const std::array<float, 3>& deviation);
constexpr std::array<float, 3> kImagenetMean{0.485f, 0.456f, 0.406f};  // red, green, blue
constexpr std::array<float, 3> kImagenetDeviation{0.229f, 0.224f, 0.225f};
// Blue, green and red from 0 to 255 less 104, 117 and 123, as Caffe's networks have them.
InputFormat caffe_format(int size, InputInterpolation interpolation);

// input.clips are [clips, frames, 3, size, size] with at least one frame.
void require_square_clips(const ModelInput& input, int64_t size);

// Of a tensor of a signature, whose axes are `axes` without that of variants (the second), the mean
// over variants.
at::Tensor mean_of_variants(const at::Tensor& tensor, int64_t axes);

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
  void to(at::Device device) override { network_->to(device); }

 private:
  const std::shared_ptr<torch::nn::Module> network_;
};

}  // namespace muster::models
