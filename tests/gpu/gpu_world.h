// The ranks and the GPU that a test program under tests/gpu runs on. Every test runs on every rank.
#pragma once

#include <c10/core/Device.h>

#include "trainer/communicator.h"

namespace muster::trainer {

// The host's communicator; with more than one rank for_gpu_memory() is NCCL's.
Communicator& gpu_world();
at::Device gpu_of_this_rank();

}  // namespace muster::trainer
