// CaffeNet, TAM and SRM as their specification says them, in plain loops over doubles, outside
// training.
#pragma once

#include "proto/model.pb.h"
#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// Of the weights below `prefix` ("" or one that ends in a dot).
Maps caffenet_pool5(const Maps& image, const Weights& weights, const std::string& prefix);
Values caffenet_fc7(const Maps& pool5, const Weights& weights, const std::string& prefix);

struct AttendedClip {
  std::vector<Values> attention;  // a_t for every step
  Values feature;                 // F(x)
};
AttendedClip temporal_attention(const std::vector<Values>& frames, const Weights& weights,
                                const std::string& prefix, bool attend_to_cell);

// Scores of "two persons" and "one person" of the frames' maps of two clips.
Values spatial_recurrence(const std::vector<Maps>& first, const std::vector<Maps>& second,
                          const Weights& weights, const std::string& prefix, bool sweeps);

}  // namespace muster::models::naive
