// BN-Inception as its specification says it, in plain loops over doubles, outside training.
#pragma once

#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// Of the weights below `prefix` ("" or one that ends in a dot).
struct BnInception {
  const Weights& weights;
  std::string prefix;
  Maps unit(const Maps& in, const std::string& name, int64_t kernel, int64_t stride,
            int64_t padding) const;
  Maps block(const Maps& in, const std::string& name) const;  // "4c", ...
  Maps early(const Maps& image) const;                        // to 3c
  Maps low(const Maps& image) const;                          // to 4b
};

}  // namespace muster::models::naive
