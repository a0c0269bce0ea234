#include "models/losses/attentive_triplet_loss.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/losses/distances.h"

namespace muster::models {

at::Tensor attention_shares(const at::Tensor& attention) {
  constexpr double kNoAttention = 1e-12;
  const at::Tensor sums = attention.sum(1, true);
  const at::Tensor absent = sums.lt(kNoAttention);
  return (attention / sums.masked_fill(absent, 1)).masked_fill(absent, 0);
}

at::Tensor attentive_distance(const at::Tensor& left_parts, const at::Tensor& left_attention,
                              const at::Tensor& right_parts, const at::Tensor& right_attention) {
  MUSTER_REQUIRE(left_parts.dim(), ==, 3);
  MUSTER_REQUIRE(left_parts.sizes(), ==, right_parts.sizes());
  MUSTER_REQUIRE(left_attention.sizes(), ==, left_parts.sizes().slice(0, 2));
  MUSTER_REQUIRE(right_attention.sizes(), ==, left_attention.sizes());
  return (attention_shares(left_attention) * attention_shares(right_attention) *
          row_distances(left_parts, right_parts))
      .sum(1);
}

at::Tensor global_distance(const at::Tensor& left, const at::Tensor& right) {
  MUSTER_REQUIRE(left.dim(), ==, 2);
  MUSTER_REQUIRE(left.sizes(), ==, right.sizes());
  return row_distances(left, right);
}

LossTerm hinge_of_triplets(const at::Tensor& positive_distance, const at::Tensor& negative_distance,
                           double margin, const std::string& name) {
  MUSTER_REQUIRE(positive_distance.dim(), ==, 1);
  MUSTER_REQUIRE(positive_distance.sizes(), ==, negative_distance.sizes());
  LossTerm term;
  const at::Tensor hinge = (positive_distance - negative_distance + margin).clamp_min(0);
  term.sum = hinge.sum();
  term.count = hinge.size(0);
  term.statistics[name + "_active_share"] = hinge.gt(0).sum().item<double>();
  term.statistics[name + "_positive_distance"] = positive_distance.sum().item<double>();
  term.statistics[name + "_negative_distance"] = negative_distance.sum().item<double>();
  return term;
}

}  // namespace muster::models
