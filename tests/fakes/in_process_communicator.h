// Ranks as threads of one process, for tests of what is collective.
#pragma once

#include <functional>
#include <stdexcept>

#include "trainer/communicator.h"

namespace muster::trainer {

// What abort() of an in-process rank throws instead of ending the process.
class AbortRequested : public std::runtime_error {
 public:
  explicit AbortRequested(int code);
  const int exit_code;
};

// Runs `body` once per rank, each in a thread of its own with its own communicator, and waits for
// all. Rethrows the exception that was thrown first; ranks that wait for a rank that failed get a
// SystemError. Sums add in rank order. Throws RequirementError where ranks make different calls.
void run_ranks(int size, const std::function<void(Communicator&)>& body);

}  // namespace muster::trainer
