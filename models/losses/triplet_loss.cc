#include "models/losses/triplet_loss.h"

#include <ATen/ATen.h>

#include <limits>

#include "common/error.h"
#include "models/losses/distances.h"

namespace muster::models {
namespace {

// Each [..., anchors]; of an anchor without negatives, hinge and negative are 0.
struct HardestOfBatch {
  at::Tensor hinge, positive, negative;
  at::Tensor positive_row, negative_row;
};

// distances [..., anchors, candidates], same [anchors, candidates]
HardestOfBatch hardest_of_batch(const at::Tensor& distances, const at::Tensor& same,
                                double margin) {
  HardestOfBatch result;
  const double infinity = std::numeric_limits<double>::infinity();
  std::tie(result.positive, result.positive_row) = distances.masked_fill(~same, -infinity).max(-1);
  at::Tensor negative;
  std::tie(negative, result.negative_row) = distances.masked_fill(same, infinity).min(-1);
  const at::Tensor has_negative = (~same).any(1);
  // Infinite entries would make 0 * inf = NaN gradients: replaced before they enter the hinge.
  result.negative = negative.masked_fill(~has_negative, 0);
  result.hinge = (margin + result.positive - result.negative).clamp_min(0) *
                 has_negative.to(distances.scalar_type());
  return result;
}

at::Tensor same_labels(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                       const at::Tensor& candidates, const at::Tensor& candidate_labels) {
  MUSTER_REQUIRE(anchors.size(0), ==, anchor_labels.size(0));
  MUSTER_REQUIRE(candidates.size(0), ==, candidate_labels.size(0));
  MUSTER_REQUIRE(candidates.size(0), >, 0);
  return anchor_labels.unsqueeze(1).eq(candidate_labels.unsqueeze(0));
}

// How many anchors are nearer to another clip of their identity than to any other candidate. The
// nearest of its own identity is the anchor itself, at distance 0.
double nearest_is_right(const at::Tensor& distances, const at::Tensor& same) {
  if (distances.size(-1) < 2) return 0;
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor own = std::get<0>(distances.masked_fill(~same, infinity).kthvalue(2, -1));
  const at::Tensor other = std::get<0>(distances.masked_fill(same, infinity).min(-1));
  return own.lt(other).sum().item<double>();
}

}  // namespace

LossTerm batch_hard_triplet_loss(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                                 const at::Tensor& candidates, const at::Tensor& candidate_labels,
                                 double margin, at::Tensor* mined, bool normalise) {
  const at::Tensor same = same_labels(anchors, anchor_labels, candidates, candidate_labels);
  const at::Tensor distances = normalise ? all_distances(unit_rows(anchors), unit_rows(candidates))
                                         : all_distances(anchors, candidates);
  const HardestOfBatch hardest = hardest_of_batch(distances, same, margin);
  LossTerm term;
  term.count = anchors.size(0);
  term.sum = hardest.hinge.sum();
  if (mined != nullptr) *mined = at::stack({hardest.positive_row, hardest.negative_row}, 1);
  term.statistics["triplet_active_share"] = hardest.hinge.gt(0).sum().item<double>();
  term.statistics["rank1_estimate"] = nearest_is_right(distances.detach(), same);
  term.statistics["hardest_positive_distance"] = hardest.positive.sum().item<double>();
  term.statistics["hardest_negative_distance"] = hardest.negative.sum().item<double>();
  return term;
}

LossTerm part_triplet_loss(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                           const at::Tensor& candidates, const at::Tensor& candidate_labels,
                           double margin) {
  MUSTER_REQUIRE(anchors.dim(), ==, 3);
  MUSTER_REQUIRE(anchors.size(1), >, 0);
  const at::Tensor same = same_labels(anchors, anchor_labels, candidates, candidate_labels);
  // [parts, anchors, candidates]
  const at::Tensor distances = all_distances(anchors.transpose(0, 1), candidates.transpose(0, 1));
  const HardestOfBatch hardest = hardest_of_batch(distances, same, margin);
  const auto parts = static_cast<double>(anchors.size(1));
  LossTerm term;
  term.count = anchors.size(0);
  term.sum = hardest.hinge.sum() / parts;
  term.statistics["part_triplet_active_share"] = hardest.hinge.gt(0).sum().item<double>() / parts;
  term.statistics["hardest_part_positive_distance"] = hardest.positive.sum().item<double>() / parts;
  term.statistics["hardest_part_negative_distance"] = hardest.negative.sum().item<double>() / parts;
  return term;
}

}  // namespace muster::models
