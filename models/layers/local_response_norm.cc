#include "models/layers/local_response_norm.h"

#include <ATen/ATen.h>

namespace muster::models {

at::Tensor local_response_norm(const at::Tensor& maps) {
  constexpr int64_t kWindow = 5;
  constexpr double kAlpha = 1e-4, kBeta = 0.75;
  // The mean of a window of channels, zeros outside included, by pooling [channels, places] images.
  const at::Tensor squares = (maps * maps).flatten(2).unsqueeze(1);
  const at::Tensor means = at::avg_pool2d(squares, {kWindow, 1}, {1, 1}, {kWindow / 2, 0});
  return maps * (means.squeeze(1).view(maps.sizes()) * kAlpha + 1).pow(-kBeta);
}

}  // namespace muster::models
