// A distance between vectors that was learned from pairs of them, as KISSME and XQDA learn it.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace muster::models {

// d(x, y) = (x - y)^T P M P^T (x - y), where M = sum of +-1 times outer products: kept as factors,
// P M P^T = plus plus^T - minus minus^T, so that small distances are never differences of large
// products. All float64.
struct LearnedMetric {
  at::Tensor plus;   // [features, p], p >= 0
  at::Tensor minus;  // [features, m]; m = 0 where M is positive semidefinite
};

// From P `projection` [features, dimensions] and a symmetric M `matrix` [dimensions, dimensions].
LearnedMetric learned_metric(const at::Tensor& projection, const at::Tensor& matrix);

// Vectors in the coordinates of a metric.
struct MetricCoordinates {
  at::Tensor plus, minus;  // [rows, p], [rows, m]
};

// `vectors` [rows, features], any floating type.
MetricCoordinates coordinates(const LearnedMetric& metric, const at::Tensor& vectors);

// d of every query to every gallery row, [queries, gallery] float64. Negative values are possible
// where M is not positive semidefinite (XQDA); they rank as any others.
at::Tensor metric_distance(const MetricCoordinates& queries, const MetricCoordinates& gallery);

// What both learners demand of their vectors [samples, features]; throws InputError naming `source`
// if a value is not finite, or if all vectors are the same.
void require_learnable(const at::Tensor& vectors, const std::string& source);

// The inverse of a covariance. Throws InputError naming `source` if it has, up to rounding, no
// inverse; `what` and `remedy` complete the message.
at::Tensor inverse_covariance(const at::Tensor& covariance, const std::string& source,
                              const std::string& what, const std::string& remedy);

}  // namespace muster::models
