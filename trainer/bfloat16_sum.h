// Half the bytes on the wire, for few ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "trainer/communicator.h"

namespace muster::trainer {

// Replaces `values`, float32 [n] without gaps, by its sum over the ranks: each rank's values are
// rounded to bfloat16 (8 bits of mantissa, relative error up to 1/256) once, every rank gets all of
// them and adds in float32 in rank order, so the sums are the same bits everywhere. Receives
// 2 n (ranks - 1) bytes where a ring of float32 sums sends 8 n (ranks - 1) / ranks: half with two
// ranks, the same with four, more beyond. Rounds now; the exchange happens in wait(), and waits
// must come in the same order on all ranks.
std::unique_ptr<PendingOperation> start_bfloat16_sum(const at::Tensor& values,
                                                     Communicator& communicator);

}  // namespace muster::trainer
