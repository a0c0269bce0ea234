// Classification of pairs of clips as one person or two (the metric branch of SRM).
#pragma once

#include "models/losses/loss_term.h"

namespace muster::models {

// Which pairs are judged, int64 [judged anchors] each.
struct JudgedPairs {
  at::Tensor anchors;               // rows of the anchors
  at::Tensor positives, negatives;  // rows of the candidates
};

// For every anchor that has both: the farthest other candidate of its label and the nearest of
// another label, by Euclidean distance. anchors [clips, features], candidates [all clips,
// features]; anchor i is candidate first_row + i. Ties: one of them, the same each time. An anchor
// whose label is alone, or without any other label, is not judged. No gradient.
JudgedPairs mine_pairs(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                       const at::Tensor& candidates, const at::Tensor& candidate_labels,
                       int64_t first_row);

// The same for networks without such features: an anchor's positive is the last other clip of its
// label before it in the global batch, its negative the first of another label after it, both in a
// circle.
JudgedPairs neighbouring_pairs(const at::Tensor& anchor_labels, const at::Tensor& candidate_labels,
                               int64_t first_row);

// Binary cross-entropy -log softmax(logits)[same_person] of M(x_i, x_j) (See the Forest, section
// 3.2: 1 for (anchor, positive), 0 for (anchor, negative)), one term a pair. logits [pairs, 2] as
// PairModel::pair_logits gives them: "two persons", "one person"; same_person bool [pairs].
// Statistics: pair_accuracy; equal scores count as wrong.
LossTerm pair_loss(const at::Tensor& logits, const at::Tensor& same_person);

}  // namespace muster::models
