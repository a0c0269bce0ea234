// Ranks hold the same weights, or the training is told.
#pragma once

#include <cstdint>

#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"

namespace muster::trainer {

// training.check_parameters_every; 0: never. Throws InputError if it is negative.
int64_t steps_between_checks(const proto::Training& training);

// Collective. Compares a checksum of every parameter and buffer over the ranks, to the bit. Throws
// SystemError on every rank where they differ: it names the ranks that differ from the majority (of
// equal groups, from the one with the lowest rank), the first tensor that does, and the step.
void require_agreement(const models::NamedTensors& weights, int64_t step,
                       Communicator& communicator);

}  // namespace muster::trainer
