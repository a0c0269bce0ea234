#include "models/losses/distances.h"

#include <ATen/ATen.h>

namespace muster::models {
namespace {

constexpr double kSmallestSquare = 1e-12, kShortestVector = 1e-12;

}  // namespace

at::Tensor all_distances(const at::Tensor& anchors, const at::Tensor& candidates) {
  const at::Tensor squares = anchors.pow(2).sum(-1, true) +
                             candidates.pow(2).sum(-1).unsqueeze(-2) -
                             2 * at::matmul(anchors, candidates.transpose(-2, -1));
  return squares.clamp_min(kSmallestSquare).sqrt();
}

at::Tensor row_distances(const at::Tensor& left, const at::Tensor& right) {
  return (left - right).pow(2).sum(-1).clamp_min(kSmallestSquare).sqrt();
}

at::Tensor unit_rows(const at::Tensor& vectors) {
  // Scaled by the largest element first: squares of tiny elements would vanish.
  const at::Tensor largest = vectors.detach().abs().amax(-1, true);
  const at::Tensor absent = largest.lt(kShortestVector);
  const at::Tensor scaled = vectors / largest.masked_fill(absent, 1);
  const at::Tensor squares = scaled.pow(2).sum(-1, true).masked_fill(absent, 1);
  return (scaled * squares.rsqrt()).masked_fill(absent, 0);
}

}  // namespace muster::models
