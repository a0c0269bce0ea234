// Losses as sums and counts, so that the mean over the global batch is exact however clips are
// shared out. Free functions on at::Tensor; any thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace muster::models {

// The loss over the global batch is (sum of all ranks' sums) / (sum of all ranks' counts).
struct LossTerm {
  at::Tensor sum;  // scalar, differentiable; 0 and still part of the graph on a rank without clips
  int64_t count = 0;  // terms in the sum
  // Sums over this rank's terms of what people look at; divide by count.
  std::map<std::string, double> statistics;
};

// Cross-entropy: -log softmax(logits)[label]. logits [clips, ..., identities]: what lies between
// (frames, parts) are further terms of the clip's label. labels [clips] int64 in [0, identities).
LossTerm identity_loss(const at::Tensor& logits, const at::Tensor& labels);

// Batch-hard triplet loss (RRU equation for L_v; Hermans et al.): for every anchor
//   max(0, margin + max_{same label} d - min_{other label} d),
//   d(x, y) = sqrt(max(|x|^2 + |y|^2 - 2 x.y, 1e-12)).
// Anchors are this rank's clips, candidates all ranks' (anchors included: an anchor is its own
// positive at distance ~0). anchors [clips, features], candidates [all clips, features]; labels
// int64. An anchor whose label is alone among the candidates' labels (no negative) adds 0.
// Statistics: triplet_active_share, hardest_positive_distance, hardest_negative_distance.
// `mined`, if given, gets [clips, 2] int64: candidate rows of hardest positive and negative.
LossTerm batch_hard_triplet_loss(const at::Tensor& anchors, const at::Tensor& anchor_labels,
                                 const at::Tensor& candidates, const at::Tensor& candidate_labels,
                                 double margin, at::Tensor* mined = nullptr);

}  // namespace muster::models
