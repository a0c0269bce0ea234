// What plain-loop statements of networks over small frames are written with: maps of doubles,
// convolution, pooling, linear layers. Shares nothing with the networks.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "models/model.h"

namespace muster::models {

using Values = std::vector<double>;

// [channels, height, width] of one frame.
struct Maps {
  int64_t channels, height, width;
  Values values;
  Maps(int64_t c, int64_t h, int64_t w)
      : channels(c), height(h), width(w), values(static_cast<size_t>(c * h * w), 0) {}
  double& at(int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
  double at(int64_t c, int64_t y, int64_t x) const {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
};

Values values_of(const at::Tensor& tensor);
// Of one frame [channels, height, width].
Maps maps_of(const at::Tensor& frame);

Maps tanh_of(Maps maps);
Maps relu_of(Maps maps);
Maps sum_of(Maps left, const Maps& right);
// The largest of each 2x2 window; an odd last row or column is left out.
Maps pooled(const Maps& in);

// Weights by name; every layer has a bias.
class NaiveLayers {
 public:
  explicit NaiveLayers(const NamedTensors& parameters);
  bool has(const std::string& name) const { return weights_.count(name) > 0; }
  const Values& weight(const std::string& name) const { return weights_.at(name); }
  // Stride 1, a square kernel, zeros around.
  Maps convolution(const Maps& in, const std::string& name, int64_t kernel, int64_t pad) const;
  Values linear(const Values& in, const std::string& name) const;

 private:
  std::map<std::string, Values> weights_;
};

}  // namespace muster::models
