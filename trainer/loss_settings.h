// Whether the losses that an experiment names can be served: ranges, the sampler, the network. All
// throw InputError, one line that names the setting, the same on every rank.
#pragma once

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// No loss at all, or a weight or margin that is not a finite number of at least 0.
void require_loss(const proto::Loss& settings);

// Losses of pairs and triplets in batches that are not made of them.
void require_sampler(const proto::Loss& settings, const proto::Batch& batch);

// What the network does not give: a classifier, a tensor of the signature, judging of pairs.
// `output` is that of any number of clips, zero included.
void require_network(const proto::Loss& settings, const models::ModelOutput& output,
                     bool judges_pairs);

}  // namespace muster::trainer
