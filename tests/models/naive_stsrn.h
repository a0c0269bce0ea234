// STSRN as its specification says it, in plain loops over doubles: what the network's tests compare
// with.
#pragma once

#include "models/model.h"

namespace muster::models {

struct NaiveStsrnOutput {
  at::Tensor features;         // float64 [clips, features]
  at::Tensor identity_logits;  // float64 [clips, identities]
};

// The full model without dropout. Reads weights by name; clips and flow as ModelInput has them.
NaiveStsrnOutput naive_stsrn(const NamedTensors& parameters, const ModelInput& input);

}  // namespace muster::models
