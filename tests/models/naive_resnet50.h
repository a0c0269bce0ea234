// ResNet-50 in plain loops over doubles, outside training, by torchvision's names.
#pragma once

#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// Of the weights below `prefix` ("" or one that ends in a dot).
struct ResNet50 {
  const Weights& weights;
  std::string prefix;
  Maps stem(const Maps& image) const;
  Maps block(const Maps& in, const std::string& name) const;  // "layer3.2", ...

 private:
  Maps unit(const Maps& in, const std::string& convolved, const std::string& normalised,
            int64_t kernel, int64_t stride) const;
};

}  // namespace muster::models::naive
