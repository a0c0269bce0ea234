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

// Without dropout before the features; `masks` [clips, frames - 1, features], if defined, are the
// factors of the recurrent net's states. Reads weights by name; clips and flow as ModelInput has
// them. Of `settings`, the structure and the switches count.
NaiveStsrnOutput naive_stsrn(const NamedTensors& parameters, const ModelInput& input,
                             const proto::Stsrn& settings = proto::Stsrn::default_instance(),
                             const at::Tensor& masks = {});

}  // namespace muster::models
