// The gradient of batch normalisation's input, where its sums are those of all ranks.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// scale (gradient - offset - slope (values - mean)), in one pass over memory on a CPU.
//   gradient, values                [rows, channels, ...]
//   scale, offset, slope, mean      [channels]
at::Tensor batch_norm_gradient(const at::Tensor& gradient, const at::Tensor& values,
                               const at::Tensor& scale, const at::Tensor& offset,
                               const at::Tensor& slope, const at::Tensor& mean);

}  // namespace muster::models
