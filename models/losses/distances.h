// Euclidean distances with finite gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// [..., anchors, candidates] between rows of [..., anchors, features] and [..., candidates,
// features]: d = sqrt(max(|x|^2 + |y|^2 - 2 x.y, 1e-12)), as the batch-hard losses are published.
// Where the maximum is 1e-12 (rows that coincide) the gradient is 0.
at::Tensor all_distances(const at::Tensor& anchors, const at::Tensor& candidates);

// [...] between corresponding rows of two [..., features]: sqrt(max(|x - y|^2, 1e-12)); rows that
// coincide have distance 1e-6 and gradient 0.
at::Tensor row_distances(const at::Tensor& left, const at::Tensor& right);

// x / |x| along the last axis. A vector shorter than 1e-12 becomes zeros and gets no gradient.
at::Tensor unit_rows(const at::Tensor& vectors);

}  // namespace muster::models
