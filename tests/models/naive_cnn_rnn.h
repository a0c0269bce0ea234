// CNN-RNN as its specification says it, in plain loops over doubles.
#pragma once

#include "models/model.h"

namespace muster::models {

struct NaiveCnnRnnOutput {
  at::Tensor features;         // float64 [clips, features]
  at::Tensor identity_logits;  // float64 [clips, identities]
};

// Without dropout before the features; `masks` [clips, frames - 1, features], if defined, are the
// factors of the recurrent net's states. Reads weights by name; clips and flow as ModelInput has
// them.
NaiveCnnRnnOutput naive_cnn_rnn(const NamedTensors& parameters, const ModelInput& input,
                                const at::Tensor& masks = {});

}  // namespace muster::models
