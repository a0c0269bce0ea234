// A communicator of GPU memory for checks that hold their buffers on the host.
#pragma once

#include <memory>

#include "trainer/communicator.h"

namespace muster::trainer {

// Copies buffers to the current GPU, calls `gpu`, and copies results back; wait() and the blocking
// verbs return when the host has them. Must not outlive `gpu`.
std::unique_ptr<Communicator> create_staging_communicator(Communicator& gpu);

}  // namespace muster::trainer
