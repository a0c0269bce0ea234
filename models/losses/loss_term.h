// What every loss gives. Losses are free functions on at::Tensor; any thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

namespace muster::models {

// The loss over the global batch is (sum of all ranks' sums) / (sum of all ranks' counts).
struct LossTerm {
  at::Tensor sum;  // scalar, differentiable; 0 and still part of the graph on a rank without terms
  int64_t count = 0;  // terms in the sum
  // Sums over this rank's terms of what people look at; divide by count.
  std::map<std::string, double> statistics;
};

}  // namespace muster::models
