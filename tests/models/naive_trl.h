// GoogLeNet, ST2N and TRL as their specification says them, in plain loops over doubles, outside
// training.
#pragma once

#include "proto/model.pb.h"
#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// Of the weights below `prefix` ("" or one that ends in a dot).
struct GoogLeNet {
  const Weights& weights;
  std::string prefix;
  bool v1;
  Maps unit(const Maps& in, const std::string& name, int64_t kernel, int64_t stride,
            int64_t padding) const;
  Maps inception(const Maps& in, const std::string& name) const;
  Maps convs(const Maps& image) const;
  Maps inception1(const Maps& maps) const;
  Maps inception2(const Maps& maps) const;
  Maps inception3(const Maps& maps) const;
};

// Equation 6. `transform` is s_x, tau_x, s_y, tau_y.
Maps scaled_and_shifted(const Maps& maps, const Values& transform);

// Equations 1 to 4: a transform for every frame's high-level maps.
std::vector<Values> transforms(const std::vector<Maps>& frames, const Weights& weights,
                               const std::string& prefix, bool temporal);

struct TemporalFeatures {
  Values generic, specific;  // specific: empty without a second LSTM
};
// Equations 7 to 13.
TemporalFeatures temporal_residual(const std::vector<Values>& descriptors, const Weights& weights,
                                   const std::string& prefix, bool one_direction);

// Signature and logits by name of one clip [frames, 3, height, width].
struct TrlOutput {
  std::map<std::string, Values> signature;
  std::map<std::string, std::vector<Values>> logits;  // one row, or one for every frame
};
TrlOutput trl(const at::Tensor& clip, const Weights& weights, const proto::Trl& options);

}  // namespace muster::models::naive
