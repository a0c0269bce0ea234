// Layers in plain loops over doubles, one image or one sequence at a time: what networks' tests
// compare with. Nothing here is shared with the networks themselves.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/model.h"

namespace muster::models::naive {

using Values = std::vector<double>;
using Weights = std::map<std::string, Values>;  // flattened, by name

// [channels, height, width]
struct Maps {
  int64_t channels, height, width;
  Values values;
  Maps(int64_t c, int64_t h, int64_t w)
      : channels(c), height(h), width(w), values(static_cast<size_t>(c * h * w), 0) {}
  double& at(int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
  // Zero outside.
  double zero_padded(int64_t c, int64_t y, int64_t x) const {
    const bool inside = y >= 0 && y < height && x >= 0 && x < width;
    return inside ? values[static_cast<size_t>((c * height + y) * width + x)] : 0;
  }
};

Weights weights_of(const NamedTensors& tensors);
Values values_of(const at::Tensor& tensor);
Maps maps_of(const at::Tensor& image);
at::Tensor tensor_of(const Maps& maps);

// Of weights NAME.weight and, where it is there, NAME.bias.
Maps convolution(const Maps& in, const Weights& weights, const std::string& name, int64_t kernel,
                 int64_t stride, int64_t padding);
// By running statistics.
Maps batch_norm(const Maps& in, const Weights& weights, const std::string& name, double epsilon);
Maps rectified(Maps maps);
// Windows follow each other until one reaches the end, padding included; what is outside never
// wins.
Maps max_pool(const Maps& in, int64_t kernel, int64_t stride, int64_t padding);
// Of five channels, alpha 1e-4, beta 0.75.
Maps response_normalised(const Maps& in);
// The channels of all, one after the other.
Maps side_by_side(const std::vector<Maps>& parts);
Values mean_over_places(const Maps& in);

Values linear(const Values& in, const Weights& weights, const std::string& name);
// h_t for every step of NAME.weight_ih_l0SUFFIX ..., from the last step to the first if `backward`.
std::vector<Values> lstm(const std::vector<Values>& in, const Weights& weights,
                         const std::string& name, bool backward);
// Both directions of every step, one after the other.
std::vector<Values> both_directions(const std::vector<Values>& in, const Weights& weights,
                                    const std::string& name);
Values mean_over_steps(const std::vector<Values>& steps);

}  // namespace muster::models::naive
