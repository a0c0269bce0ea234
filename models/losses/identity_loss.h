// Cross-entropy of classifiers.
#pragma once

#include "models/losses/loss_term.h"

namespace muster::models {

// -log softmax(logits)[label]. logits [clips, ..., identities]: what lies between (frames, parts)
// are further terms of the clip's label, as in STAL's consistency constraint (C_cons over r and t).
// labels [clips] int64 in [0, identities). STSRN's L_iden(v_p) + L_iden(v_g) is twice the mean over
// clips: weight 2.
LossTerm identity_loss(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace muster::models
