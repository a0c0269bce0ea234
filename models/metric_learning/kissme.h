// KISSME: Köstinger, Hirzer, Wohlhart, Roth, Bischof, "Large Scale Metric Learning from
// Equivalence Constraints", CVPR 2012.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "models/metric_learning/learned_metric.h"
#include "models/metric_learning/training_pairs.h"

namespace muster::models {

// Of the `vectors` [samples, features] (float64) the `dimensions` principal components
//   y = P^T x, P the eigenvectors of the covariance of x with the largest eigenvalues,
// and of the pairs' differences, each a row of `pairs`,
//   Sigma_S = mean over pairs of one person  of (y_i - y_j)(y_i - y_j)^T
//   Sigma_D = mean over pairs of two persons of (y_i - y_j)(y_i - y_j)^T
//   M = Sigma_S^-1 - Sigma_D^-1,    d(x_i, x_j) = (y_i - y_j)^T M (y_i - y_j),
// where M's eigenvalues up to 1e-10 become 1e-6 (the published code's way to a positive definite
// M). Components beyond the rank of the centred vectors are left out: `dimensions` may be larger
// than features or samples. Throws InputError naming `source` if vectors are not finite or all
// alike, or if the pairs of either sort span fewer dimensions than are kept: fewer pairs than
// dimensions do.
LearnedMetric learn_kissme(const at::Tensor& vectors, const TrainingPairs& pairs,
                           int64_t dimensions, const std::string& source);

}  // namespace muster::models
