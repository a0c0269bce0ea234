// Batch-hard triplet losses over whole videos and over their parts.
//
// For every anchor, RRU eq. 8 (Hermans et al.; the anchor itself counts as released):
//   max(0, margin + max_{same label} d - min_{other label} d),
//   d(x, y) = sqrt(max(|x|^2 + |y|^2 - 2 x.y, 1e-12)).
// Anchors are this rank's clips, candidates all ranks' (anchors included: an anchor is its own
// positive at distance ~0). Labels int64. Always finite:
//   no candidate of another label        the anchor adds 0
//   one clip of an identity              its positive is itself, at distance ~0
//   embeddings that coincide             margin, and no gradient through their distance
//   several equally hard candidates      one of them counts, the same each time
//   a zero vector with `normalise`       stays zero and gets no gradient
#pragma once

#include "models/losses/loss_term.h"

namespace muster::models {

// RRU's L_v; with `normalise` (x / |x| first) the loss of the TAM's features.
// anchors [clips, features], candidates [all clips, features], at least one candidate.
// Statistics: triplet_active_share, hardest_positive_distance, hardest_negative_distance, and
// rank1_estimate: anchors nearer to another clip of their identity than to any other candidate,
// where every anchor is a candidate too.
// `mined`, if given, gets [clips, 2] int64: candidate rows of hardest positive and negative.
LossTerm batch_hard_triplet_loss(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                                 const at::Tensor& candidates, const at::Tensor& candidate_labels,
                                 double margin, at::Tensor* mined = nullptr,
                                 bool normalise = false);

// RRU eq. 10, L_p: the same for each part by itself, mean over parts.
// anchors [clips, parts, features], candidates [all clips, parts, features].
// Statistics, also means over parts: part_triplet_active_share, hardest_part_positive_distance,
// hardest_part_negative_distance.
LossTerm part_triplet_loss(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                           const at::Tensor& candidates, const at::Tensor& candidate_labels,
                           double margin);

}  // namespace muster::models
