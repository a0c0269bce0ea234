// What the ranks decide together in every step. A wish that one rank has is granted to all, at the
// same step.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "trainer/communicator.h"

namespace muster::trainer {

struct StepWishes {
  bool stop = false;        // end the training after this step
  bool checkpoint = false;  // write one after this step
};

// One thread per rank. The message travels while the step computes.
class StepAgreement {
 public:
  // Collective.
  explicit StepAgreement(Communicator& communicator);
  // Collective, at the beginning of a step.
  void ask(const StepWishes& own);
  // Collective, at its end, once for each ask(): what any rank wished.
  StepWishes answer();

 private:
  std::unique_ptr<Communicator> communicator_;
  std::array<int64_t, 2> counts_{};
  std::unique_ptr<PendingOperation> pending_;
};

}  // namespace muster::trainer
