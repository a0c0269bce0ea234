// Batch normalisation whose statistics are those of the global batch, however its clips are shared
// out over ranks.
#pragma once

#include <torch/nn/module.h>

#include "models/model.h"

namespace muster::models {

// Parameters weight, bias and buffers running_mean, running_var by torchvision's names.
//   training: y = (x - m) / sqrt(v + epsilon) * weight + bias, m and v over rows and places of all
//             ranks (v biased); running = 0.9 running + 0.1 (m, unbiased v)
//             Of a single value per channel (torch refuses it) there is no unbiased v: y = bias,
//             and running_var stays as it is.
//   otherwise the running statistics stand for m and v.
class BatchNorm : public torch::nn::Module {
 public:
  BatchNorm(int64_t channels, double epsilon);
  // [rows, channels, ...]; any number of rows, zero included; in training at
  // least one over all ranks. Collective in training.
  at::Tensor forward(const at::Tensor& values, const ForwardContext& context);

 private:
  at::Tensor weight_, bias_, running_mean_, running_variance_;
  double epsilon_;
};

}  // namespace muster::models
