// The siamese loss of pairs of videos.
#pragma once

#include "models/losses/loss_term.h"

namespace muster::models {

// STSRN eq. 8: |v1 - v2|^2 for one person, max(0, margin - |v1 - v2|) for two, one term a pair.
// first, second [pairs, features]; same_person bool [pairs]. Always finite: between two persons
// whose vectors coincide the distance is 1e-6 and has no gradient (its direction is not defined).
// Statistics: same_pair_share, same_pair_distance, other_pair_distance; the distances count 0 for
// pairs of the other kind.
LossTerm verification_loss(const at::Tensor& first, const at::Tensor& second,
                           const at::Tensor& same_person, double margin);

}  // namespace muster::models
