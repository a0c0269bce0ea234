// Ranks that each hold a GPU. Present only in builds with MUSTER_CUDA.
#pragma once

#include <memory>

#include "trainer/communicator.h"

namespace muster::trainer {

// Buffers of all its calls are device memory of `device`. Uses `bootstrap` (host memory) to share
// NCCL's identifier, for the barrier and for abort; it must outlive the result. Throws SystemError
// naming rank and call.
std::unique_ptr<Communicator> create_nccl_communicator(Communicator& bootstrap, int device);

}  // namespace muster::trainer
