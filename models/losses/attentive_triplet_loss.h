// STAL's distances of global and local features, and its triplet loss.
#pragma once

#include "models/losses/loss_term.h"

namespace muster::models {

// abar^r / |abar| of attention [videos, parts]: adds up to 1, or all 0 where the sum is below
// 1e-12.
at::Tensor attention_shares(const at::Tensor& attention);

// STAL eq. 9 between corresponding videos, [videos]:
//   d_l(i, j) = sum_r [abar_i^r abar_j^r / (|abar_i| |abar_j|)] |f_i^r - f_j^r|_2
// parts [videos, parts, features]: f^r, aggregated over frames by eq. 8; attention [videos, parts]:
// abar^r, at least 0, |abar| its sum over parts (the L1 norm, eq. 12). A video whose attention sums
// up to less than 1e-12 has distance 0 to all and gets no gradient.
at::Tensor attentive_distance(const at::Tensor& left_parts, const at::Tensor& left_attention,
                              const at::Tensor& right_parts, const at::Tensor& right_attention);

// |g_i - g_j|_2 of [videos, features]; 1e-6 where they coincide.
at::Tensor global_distance(const at::Tensor& left, const at::Tensor& right);

// STAL eq. 4, either line: [d(anchor, positive) - d(anchor, negative) + margin]_+, one term a
// triplet. Distances [triplets]. Statistics: `name` + _active_share, _positive_distance,
// _negative_distance.
LossTerm hinge_of_triplets(const at::Tensor& positive_distance, const at::Tensor& negative_distance,
                           double margin, const std::string& name);

}  // namespace muster::models
