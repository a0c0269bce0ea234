// The ranks that a test program under tests/ranks runs on. Every test runs on every rank.
#pragma once

#include "trainer/communicator.h"

namespace muster::trainer {

// All processes that the launcher started; initialised before the first test.
Communicator& world();

}  // namespace muster::trainer
