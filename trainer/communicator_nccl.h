// Ranks that each hold a GPU. Present only in builds with MUSTER_CUDA.
#pragma once

#include <memory>

#include "trainer/communicator.h"

struct CUstream_st;

namespace muster::trainer {

// The stream that the calling thread's work on the GPU is queued on.
using CurrentStream = CUstream_st* (*)();

// Buffers of all its calls are device memory of `device`; nothing but barrier() makes the host
// wait. Uses `bootstrap` (host memory) to share NCCL's identifier, for the barrier and for abort;
// it must outlive the result. Collective, and so is duplicate().
//
// A thread of its own asks NCCL for faults: where a peer is gone it aborts the communicator, so
// that the GPU's work ends and whoever waits for it wakes; the next call throws. Peers see this
// rank's abort as such a fault and do the same. Throws SystemError naming rank and call.
std::unique_ptr<Communicator> create_nccl_communicator(Communicator& bootstrap, int device,
                                                       CurrentStream current_stream);

}  // namespace muster::trainer
