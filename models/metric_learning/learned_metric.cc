#include "models/metric_learning/learned_metric.h"

#include <ATen/ATen.h>

#include <limits>

#include "common/error.h"

namespace muster::models {
namespace {

// Columns of `vectors` whose weight is above 0, each times the root of its weight.
at::Tensor weighted_columns(const at::Tensor& vectors, const at::Tensor& weights) {
  const at::Tensor chosen = weights.gt(0).nonzero().flatten();
  return vectors.index_select(1, chosen) * weights.index_select(0, chosen).sqrt();
}

// [queries, gallery]; mode 2: never by a matrix product, which loses small distances.
at::Tensor squared_distance(const at::Tensor& queries, const at::Tensor& gallery) {
  return at::cdist(queries, gallery, 2.0, 2).square();
}

}  // namespace

LearnedMetric learned_metric(const at::Tensor& projection, const at::Tensor& matrix) {
  MUSTER_REQUIRE(projection.dim(), ==, 2);
  MUSTER_REQUIRE(matrix.dim(), ==, 2);
  MUSTER_REQUIRE(matrix.size(0), ==, projection.size(1));
  MUSTER_REQUIRE(matrix.size(1), ==, projection.size(1));
  const auto [values, vectors] = at::linalg_eigh((matrix + matrix.t()) / 2);
  const at::Tensor directions = projection.matmul(vectors);
  return {weighted_columns(directions, values), weighted_columns(directions, -values)};
}

MetricCoordinates coordinates(const LearnedMetric& metric, const at::Tensor& vectors) {
  const at::Tensor exact = vectors.to(at::kDouble);
  return {exact.matmul(metric.plus), exact.matmul(metric.minus)};
}

at::Tensor metric_distance(const MetricCoordinates& queries, const MetricCoordinates& gallery) {
  const at::Tensor distance = squared_distance(queries.plus, gallery.plus);
  if (queries.minus.size(1) == 0) return distance;
  return distance - squared_distance(queries.minus, gallery.minus);
}

void require_learnable(const at::Tensor& vectors, const std::string& source) {
  MUSTER_REQUIRE(vectors.dim(), ==, 2);
  MUSTER_REQUIRE(vectors.scalar_type(), ==, at::kDouble);
  if (!vectors.isfinite().all().item<bool>()) {
    throw common::InputError(source, "holds values that are not finite");
  }
  const bool constant =
      vectors.numel() == 0 || vectors.eq(vectors.select(0, 0).unsqueeze(0)).all().item<bool>();
  if (constant) {
    throw common::InputError(source, "has no two different vectors to learn a metric from");
  }
}

at::Tensor inverse_covariance(const at::Tensor& covariance, const std::string& source,
                              const std::string& what, const std::string& remedy) {
  const auto [values, vectors] = at::linalg_eigh((covariance + covariance.t()) / 2);
  const int64_t dimensions = values.size(0);
  const double largest = values.select(0, dimensions - 1).item<double>();
  const double least =
      largest * static_cast<double>(dimensions) * std::numeric_limits<double>::epsilon();
  const auto rank = values.gt(least).sum().item<int64_t>();
  if (largest <= 0 || rank < dimensions) {
    throw common::InputError(source,
                             what + " span only " + std::to_string(largest <= 0 ? 0 : rank) +
                                 " of " + std::to_string(dimensions) + " dimensions",
                             remedy);
  }
  return (vectors / values).matmul(vectors.t());
}

}  // namespace muster::models
