#include "models/metric_learning/kissme.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr double kNotPositive = 1e-10, kSmallestEigenvalue = 1e-6;
constexpr int64_t kPairBlock = 65536;  // at a time: 100 MiB at 200 dimensions

// [features, kept]: the directions of largest variance.
at::Tensor principal_directions(const at::Tensor& vectors, int64_t dimensions) {
  const at::Tensor centred = vectors - vectors.mean(0, true);
  const auto [left, singular, right] = at::linalg_svd(centred, false);
  const double least = singular.select(0, 0).item<double>() *
                       static_cast<double>(std::max(vectors.size(0), vectors.size(1))) *
                       std::numeric_limits<double>::epsilon();
  const auto rank = singular.gt(least).sum().item<int64_t>();
  return right.slice(0, 0, std::min(rank, dimensions)).t().contiguous();
}

// Mean outer product of the differences of `pairs` [pairs, 2].
at::Tensor difference_covariance(const at::Tensor& values, const at::Tensor& pairs) {
  at::Tensor sum = at::zeros({values.size(1), values.size(1)}, values.options());
  for (int64_t first = 0; first < pairs.size(0); first += kPairBlock) {
    const at::Tensor block = pairs.slice(0, first, std::min(pairs.size(0), first + kPairBlock));
    const at::Tensor difference =
        values.index_select(0, block.select(1, 0)) - values.index_select(0, block.select(1, 1));
    sum += difference.t().matmul(difference);
  }
  return sum / static_cast<double>(pairs.size(0));
}

at::Tensor inverse_of_pairs(const at::Tensor& values, const at::Tensor& pairs,
                            const std::string& source, const std::string& persons) {
  if (pairs.size(0) == 0) throw common::InputError(source, "has no pairs of " + persons);
  return inverse_covariance(difference_covariance(values, pairs), source,
                            "the " + std::to_string(pairs.size(0)) + " pairs of " + persons,
                            "keep fewer principal components, or give more tracklets");
}

// The nearest thing with eigenvalues above 0.
at::Tensor positive_definite(const at::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh((matrix + matrix.t()) / 2);
  const at::Tensor clipped =
      at::where(values.gt(kNotPositive), values, at::full_like(values, kSmallestEigenvalue));
  return (vectors * clipped).matmul(vectors.t());
}

}  // namespace

LearnedMetric learn_kissme(const at::Tensor& vectors, const TrainingPairs& pairs,
                           int64_t dimensions, const std::string& source) {
  MUSTER_REQUIRE(dimensions, >=, 1);
  MUSTER_REQUIRE(pairs.same.dim(), ==, 2);
  MUSTER_REQUIRE(pairs.different.dim(), ==, 2);
  require_learnable(vectors, source);
  const at::Tensor projection = principal_directions(vectors, dimensions);
  const at::Tensor values = vectors.matmul(projection);
  const at::Tensor of_one = inverse_of_pairs(values, pairs.same, source, "one person");
  const at::Tensor of_two = inverse_of_pairs(values, pairs.different, source, "two persons");
  return learned_metric(projection, positive_definite(of_one - of_two));
}

}  // namespace muster::models
