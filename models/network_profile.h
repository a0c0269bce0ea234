// What a network's layers do in one pass: shapes, parameters, multiply-adds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/model.h"

namespace muster::models {

struct LayerProfile {
  std::string name;  // of its weights without ".weight"; "" collects products without weights
  std::vector<int64_t> output;  // shape of the last call; empty if the layer was not called
  int64_t parameters = 0;
  int64_t multiply_adds = 0;  // of matrix products and convolutions, all calls together
};

// In the order of `parameters`; "" last, if there are such products. `forward` is called once, and
// everything that it computes on the calling thread counts: a layer is what uses its weights.
std::vector<LayerProfile> profile_layers(const NamedTensors& parameters,
                                         const std::function<void()>& forward);

}  // namespace muster::models
