// STAL's auxiliary classifier in plain loops over doubles, outside training.
#pragma once

#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// Scores of one picture's maps, of weights below `prefix` ("" or one that ends in a dot).
Values auxiliary_head(const Maps& in, const Weights& weights, const std::string& prefix);

}  // namespace muster::models::naive
