// XQDA: Liao, Hu, Zhu, Li, "Person Re-identification by Local Maximal Occurrence Representation and
// Metric Learning", CVPR 2015, as its published code computes it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/metric_learning/learned_metric.h"

namespace muster::models {

// One row per tracklet.
struct LabelledVectors {
  at::Tensor vectors;  // [samples, features] float64
  std::vector<int32_t> identity;
  std::vector<int32_t> camera;  // empty in both views: pairs under one camera count too
};

struct XqdaSettings {
  double lambda = 0.001;   // added to Sigma_I's diagonal; depends on the scale of the vectors
  int64_t dimensions = 0;  // kept; 0: as many as have a singular value above 1
};

// With x_i of the first view, z_j of the second, over their pairs under different cameras
//   Sigma_I = mean over pairs of one person  of (x_i - z_j)(x_i - z_j)^T + lambda I
//   Sigma_E = mean over pairs of two persons of (x_i - z_j)(x_i - z_j)^T
//   U S V^T = Sigma_I^-1 Sigma_E,  W the columns of U with the largest singular values
//   M = (W^T Sigma_I W)^-1 - (W^T Sigma_E W)^-1,  d(x, z) = (x - z)^T W M W^T (x - z).
// (The paper takes eigenvectors of Sigma_I^-1 Sigma_E, its code these singular vectors; M is not
// made positive semidefinite.) Automatic dimensions are at least 1. With more features than samples
// it works in the samples' span, with the same result. Throws InputError naming `source` if the
// vectors are not finite or all alike, if there is no pair of either sort, or if more dimensions
// are demanded than the pairs of two persons span.
LearnedMetric learn_xqda(const LabelledVectors& first, const LabelledVectors& second,
                         const XqdaSettings& settings, const std::string& source);

}  // namespace muster::models
