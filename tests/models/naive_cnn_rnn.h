// CNN-RNN as its specification says it, in plain loops over doubles.
#pragma once

#include "models/model.h"

namespace muster::models {

struct NaiveCnnRnnOutput {
  at::Tensor features;         // float64 [clips, features]
  at::Tensor identity_logits;  // float64 [clips, identities]
};

// Without dropout. Reads weights by name; clips and flow as ModelInput has them.
NaiveCnnRnnOutput naive_cnn_rnn(const NamedTensors& parameters, const ModelInput& input);

}  // namespace muster::models
