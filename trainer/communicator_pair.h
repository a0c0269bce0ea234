// Ranks with a GPU each: messages of the host's memory travel one way, of GPU memory another.
#pragma once

#include <memory>

#include "trainer/communicator.h"

namespace muster::trainer {

// `host` does everything but what for_gpu_memory() is asked for, which is `gpu`; abort() is `gpu`'s
// too, which must pass it on to `host`. Both have the same ranks. `gpu` may use `host`.
std::unique_ptr<Communicator> create_communicator_pair(std::unique_ptr<Communicator> host,
                                                       std::unique_ptr<Communicator> gpu);

}  // namespace muster::trainer
