#include "models/losses/pair_loss.h"

#include <ATen/ATen.h>

#include <limits>

#include "common/error.h"
#include "models/losses/distances.h"

namespace muster::models {

namespace {

at::Tensor numbered(int64_t count, const at::Tensor& like) {
  return at::arange(count, like.options());
}

// distances [anchors, candidates]
JudgedPairs hardest_pairs(const at::Tensor& distances, const at::Tensor& anchor_labels,
                          const at::Tensor& candidate_labels, int64_t first_row) {
  MUSTER_REQUIRE(first_row + anchor_labels.size(0), <=, candidate_labels.size(0));
  const at::Tensor same = anchor_labels.unsqueeze(1).eq(candidate_labels.unsqueeze(0));
  const at::Tensor own_rows = numbered(anchor_labels.size(0), anchor_labels) + first_row;
  const at::Tensor rows = numbered(candidate_labels.size(0), candidate_labels);
  const at::Tensor positive = same & own_rows.unsqueeze(1).ne(rows.unsqueeze(0));
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor judged = (positive.any(1) & (~same).any(1)).nonzero().squeeze(1);
  return {judged, distances.masked_fill(~positive, -infinity).argmax(1).index_select(0, judged),
          distances.masked_fill(same, infinity).argmin(1).index_select(0, judged)};
}

}  // namespace

JudgedPairs mine_pairs(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                       const at::Tensor& candidates, const at::Tensor& candidate_labels,
                       int64_t first_row) {
  MUSTER_REQUIRE(anchors.size(0), ==, anchor_labels.size(0));
  MUSTER_REQUIRE(candidates.size(0), ==, candidate_labels.size(0));
  return hardest_pairs(all_distances(anchors.detach(), candidates.detach()), anchor_labels,
                       candidate_labels, first_row);
}

JudgedPairs neighbouring_pairs(const at::Tensor& anchor_labels, const at::Tensor& candidate_labels,
                               int64_t first_row) {
  const int64_t all = candidate_labels.size(0);
  const at::Tensor own_rows = numbered(anchor_labels.size(0), anchor_labels) + first_row;
  const at::Tensor steps_after =
      (numbered(all, candidate_labels).unsqueeze(0) - own_rows.unsqueeze(1)).remainder(all);
  return hardest_pairs(steps_after.to(at::kDouble), anchor_labels, candidate_labels, first_row);
}

LossTerm pair_loss(const at::Tensor& logits, const at::Tensor& same_person) {
  MUSTER_REQUIRE(logits.size(0), ==, same_person.size(0));
  MUSTER_REQUIRE(logits.size(1), ==, 2);
  LossTerm term;
  const at::Tensor truth = same_person.to(at::kLong).unsqueeze(1);
  const at::Tensor right = logits.gather(1, truth), wrong = logits.gather(1, 1 - truth);
  term.sum = -at::log_softmax(logits, 1).gather(1, truth).sum();
  term.count = logits.size(0);
  term.statistics["pair_accuracy"] = right.gt(wrong).sum().item<double>();
  return term;
}

}  // namespace muster::models
