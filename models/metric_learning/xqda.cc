#include "models/metric_learning/xqda.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

#include "common/error.h"

namespace muster::models {
namespace {

struct Covariances {
  at::Tensor within, between;  // Sigma_I without lambda, Sigma_E; [features, features]
};

// [first, second] of 0 and 1: pairs that count, of one person or of two.
at::Tensor pair_mask(const LabelledVectors& first, const LabelledVectors& second, bool same) {
  const auto equal = [](const std::vector<int32_t>& rows, const std::vector<int32_t>& columns) {
    return at::tensor(rows, at::kInt).unsqueeze(1).eq(at::tensor(columns, at::kInt).unsqueeze(0));
  };
  at::Tensor mask = equal(first.identity, second.identity);
  if (!same) mask = mask.logical_not();
  if (!first.camera.empty()) {
    mask = mask.logical_and(equal(first.camera, second.camera).logical_not());
  }
  return mask.to(at::kDouble);
}

// Mean of (x_i - z_j)(x_i - z_j)^T over the pairs of `mask`, by products of whole matrices: the
// pairs themselves would be millions.
at::Tensor masked_covariance(const at::Tensor& x, const at::Tensor& z, const at::Tensor& mask,
                             const std::string& source, const std::string& persons) {
  const auto pairs = mask.sum().item<double>();
  if (pairs == 0) {
    throw common::InputError(source, "has no pairs of " + persons + " under two cameras");
  }
  const at::Tensor cross = x.t().matmul(mask.matmul(z));
  const at::Tensor sum = x.t().matmul(x * mask.sum(1).unsqueeze(1)) +
                         z.t().matmul(z * mask.sum(0).unsqueeze(1)) - cross - cross.t();
  return (sum + sum.t()) / (2 * pairs);
}

Covariances covariances(const at::Tensor& x, const at::Tensor& z, const LabelledVectors& first,
                        const LabelledVectors& second, const std::string& source) {
  return {masked_covariance(x, z, pair_mask(first, second, true), source, "one person"),
          masked_covariance(x, z, pair_mask(first, second, false), source, "two persons")};
}

// within^-1 between. `lambda` makes `within` regular unless the vectors are huge beside it.
at::Tensor solved(const at::Tensor& within, const at::Tensor& between, const std::string& source) {
  try {
    const at::Tensor solution = at::linalg_solve(within, between);
    if (solution.isfinite().all().item<bool>()) return solution;
  } catch (const c10::Error&) {
  }
  throw common::InputError(source, "has vectors whose covariance cannot be inverted",
                           "scale them, or raise scoring.learned.lambda");
}

// W [features, dimensions] of the ratio within^-1 between.
at::Tensor discriminant_directions(const at::Tensor& ratio, int64_t dimensions) {
  const auto [left, singular, right] = at::linalg_svd(ratio, false);
  int64_t kept = dimensions;
  if (kept == 0) kept = std::max<int64_t>(1, singular.gt(1).sum().item<int64_t>());
  return left.slice(1, 0, std::min(kept, left.size(1)));
}

void require_labels(const LabelledVectors& view) {
  MUSTER_REQUIRE(view.vectors.dim(), ==, 2);
  MUSTER_REQUIRE(view.vectors.size(0), ==, static_cast<int64_t>(view.identity.size()));
  if (!view.camera.empty()) MUSTER_REQUIRE(view.camera.size(), ==, view.identity.size());
}

}  // namespace

LearnedMetric learn_xqda(const LabelledVectors& first, const LabelledVectors& second,
                         const XqdaSettings& settings, const std::string& source) {
  require_labels(first);
  require_labels(second);
  MUSTER_REQUIRE(settings.lambda, >, 0);
  if (first.identity.empty() || second.identity.empty()) {
    throw common::InputError(source, "has no person with two tracklets");
  }
  MUSTER_REQUIRE(first.camera.empty(), ==, second.camera.empty());
  at::Tensor all = at::cat({first.vectors, second.vectors});
  require_learnable(all, source);
  // Differences do not see the mean; without it the products lose fewer digits.
  all = all - all.mean(0, true);
  at::Tensor span;  // [features, samples], orthonormal columns; undefined: every direction
  if (all.size(1) > all.size(0)) {
    span = std::get<0>(at::linalg_qr(all.t(), "reduced"));
    all = all.matmul(span);
  }
  const int64_t count = first.vectors.size(0);
  const Covariances found =
      covariances(all.slice(0, 0, count), all.slice(0, count), first, second, source);
  const at::Tensor within =
      found.within + settings.lambda * at::eye(all.size(1), found.within.options());
  const at::Tensor chosen =
      discriminant_directions(solved(within, found.between, source), settings.dimensions);
  const auto inverse = [&](const at::Tensor& covariance, const std::string& persons) {
    return inverse_covariance(chosen.t().matmul(covariance).matmul(chosen), source,
                              "pairs of " + persons, "keep fewer dimensions");
  };
  const at::Tensor of_one = inverse(within, "one person");
  const at::Tensor of_two = inverse(found.between, "two persons");
  return learned_metric(span.defined() ? span.matmul(chosen) : chosen, of_one - of_two);
}

}  // namespace muster::models
