#include "models/stal/aggregation.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/losses/attentive_triplet_loss.h"

namespace muster::models {
namespace {

constexpr double kLeastAttention = 1e-12;

}  // namespace

at::Tensor normalised_attention(const at::Tensor& scores) {
  MUSTER_REQUIRE(scores.dim(), ==, 3);
  return scores / scores.sum({1, 2}, true).clamp_min(kLeastAttention);
}

at::Tensor attended_mean(const at::Tensor& features, const at::Tensor& attention) {
  MUSTER_REQUIRE(features.dim(), ==, 4);
  MUSTER_REQUIRE(attention.dim(), ==, 3);
  MUSTER_REQUIRE(attention.size(0), ==, features.size(1));
  MUSTER_REQUIRE(attention.size(1), ==, features.size(2));
  MUSTER_REQUIRE(attention.size(2), ==, features.size(0));
  const at::Tensor weights = attention / attention.sum(1, true).clamp_min(kLeastAttention);
  // A row of weights for every part and clip.
  return at::matmul(weights.permute({2, 0, 1}).unsqueeze(2), features)
      .squeeze(2)
      .transpose(0, 1)
      .contiguous();
}

at::Tensor attentive_distances(const at::Tensor& query_parts, const at::Tensor& query_attention,
                               const at::Tensor& gallery_parts,
                               const at::Tensor& gallery_attention) {
  MUSTER_REQUIRE(query_parts.dim(), ==, 3);
  MUSTER_REQUIRE(query_parts.size(1), ==, gallery_parts.size(1));
  const at::Tensor left = attention_shares(query_attention);
  const at::Tensor right = attention_shares(gallery_attention);
  at::Tensor sum = at::zeros({query_parts.size(0), gallery_parts.size(0)}, query_parts.options());
  for (int64_t part = 0; part < query_parts.size(1); ++part) {
    const at::Tensor weights =
        left.select(1, part).unsqueeze(1) * right.select(1, part).unsqueeze(0);
    // Mode 2: never by a matrix product, which loses small distances.
    sum.addcmul_(weights, at::cdist(query_parts.select(1, part).contiguous(),
                                    gallery_parts.select(1, part).contiguous(), 2.0, 2));
  }
  return sum;
}

}  // namespace muster::models
