// STSRN as its specification says it, in plain loops over doubles: what the network's tests compare
// with.
#pragma once

#include "models/model.h"
#include "proto/model.pb.h"

namespace muster::models {

struct NaiveStsrnOutput {
  at::Tensor features;         // float64 [clips, features]
  at::Tensor identity_logits;  // float64 [clips, identities]
};

// Without dropout. Reads weights by name; clips and flow as ModelInput has them. Of `settings`, the
// structure and the switches count.
NaiveStsrnOutput naive_stsrn(const NamedTensors& parameters, const ModelInput& input,
                             const proto::Stsrn& settings = proto::Stsrn::default_instance());

}  // namespace muster::models
