#include "models/losses.h"

#include <ATen/ATen.h>

#include <limits>

#include "common/error.h"

namespace muster::models {
namespace {

// [anchors, candidates]
at::Tensor euclidean_distances(const at::Tensor& anchors, const at::Tensor& candidates) {
  const at::Tensor squares = anchors.pow(2).sum(1, true) + candidates.pow(2).sum(1).unsqueeze(0) -
                             2 * at::mm(anchors, candidates.t());
  return squares.clamp_min(1e-12).sqrt();
}

}  // namespace

LossTerm identity_loss(const at::Tensor& logits, const at::Tensor& labels) {
  MUSTER_REQUIRE(logits.size(0), ==, labels.size(0));
  LossTerm term;
  const int64_t identities = logits.size(-1);
  const int64_t rows = identities > 0 ? logits.numel() / identities : 0;
  const int64_t rows_per_clip = labels.size(0) > 0 ? rows / labels.size(0) : 0;
  const at::Tensor log_probability = at::log_softmax(logits.reshape({rows, identities}), 1);
  term.sum = -log_probability.gather(1, labels.repeat_interleave(rows_per_clip).unsqueeze(1)).sum();
  term.count = rows;
  return term;
}

LossTerm batch_hard_triplet_loss(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                                 const at::Tensor& candidates, const at::Tensor& candidate_labels,
                                 double margin, at::Tensor* mined) {
  MUSTER_REQUIRE(anchors.size(0), ==, anchor_labels.size(0));
  MUSTER_REQUIRE(candidates.size(0), ==, candidate_labels.size(0));
  MUSTER_REQUIRE(candidates.size(0), >, 0);
  LossTerm term;
  term.count = anchors.size(0);
  const at::Tensor distances = euclidean_distances(anchors, candidates);
  const at::Tensor same = anchor_labels.unsqueeze(1).eq(candidate_labels.unsqueeze(0));
  const double infinity = std::numeric_limits<double>::infinity();
  const auto [positive, positive_row] = distances.masked_fill(~same, -infinity).max(1);
  const auto [negative, negative_row] = distances.masked_fill(same, infinity).min(1);
  const at::Tensor has_negative = (~same).any(1);
  // Infinite entries would make 0 * inf = NaN gradients: replaced before they enter the hinge.
  const at::Tensor hinge =
      (margin + positive - negative.masked_fill(~has_negative, 0)).clamp_min(0) *
      has_negative.to(distances.scalar_type());
  term.sum = hinge.sum();
  if (mined != nullptr) *mined = at::stack({positive_row, negative_row}, 1);
  term.statistics["triplet_active_share"] = hinge.gt(0).sum().item<double>();
  term.statistics["hardest_positive_distance"] = positive.sum().item<double>();
  term.statistics["hardest_negative_distance"] =
      negative.masked_fill(~has_negative, 0).sum().item<double>();
  return term;
}

}  // namespace muster::models
