// What STAL (Song et al. 2018) makes of the scores of body parts in frames: a feature of every
// part, a worth of every part, a distance.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// a^{r,t} / sum of |a| over all frames and parts of a clip, scores [clips, frames, parts] of at
// least 0. A clip whose scores sum up to less than 1e-12 is divided by that.
at::Tensor normalised_attention(const at::Tensor& scores);

// Equation 9: f^r = sum_t a^{r,t} f^{r,t} / sum_t a^{r,t}, [clips, parts, features] of features
// [parts, clips, frames, features] and attention [clips, frames, parts]. Where the sum is less than
// 1e-12 it counts as that, and the feature is next to zero.
at::Tensor attended_mean(const at::Tensor& features, const at::Tensor& attention);

// Equation 8 between all queries and all candidates, [queries, gallery]:
//   d_l = sum_r [abar_i^r abar_j^r / (|abar_i|_1 |abar_j|_1)] |f_i^r - f_j^r|_2
// parts [tracklets, parts, features], attention abar [tracklets, parts]; a tracklet whose attention
// sums up to less than 1e-12 has distance 0 to all, as in the loss (attentive_triplet_loss.h).
at::Tensor attentive_distances(const at::Tensor& query_parts, const at::Tensor& query_attention,
                               const at::Tensor& gallery_parts,
                               const at::Tensor& gallery_attention);

}  // namespace muster::models
