// Sums gradients over the ranks while backward still runs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"

namespace muster::trainer {

struct ReducerOptions {
  int64_t bucket_bytes = int64_t{4} << 20;  // of a message; a larger parameter travels alone
  bool overlap = true;                      // false: every message starts in finish()
  bool bfloat16_on_wire = false;            // trainer/bfloat16_sum.h; nothing overlaps then
  // What order() said, of a run that is continued; empty: last parameter first.
  std::vector<int64_t> order;
};

// Throws InputError naming the field.
ReducerOptions reducer_options(const proto::Training& training);

// One step's, on this rank.
struct ReductionReport {
  double exposed_seconds = 0;  // that the caller of finish() waited
  double busy_seconds = 0;     // from the first message's start to the end of the last
  int64_t bytes = 0;           // of the buffers that were summed; 0 with one rank
  int64_t messages = 0, early_messages = 0;  // all; those started before finish()
};

// Collective: every rank calls begin_step() and finish() once a step, in between backward() with
// any part of the parameters, or none at all. The messages go in one order on every rank, whichever
// gradients are ready first, through a duplicate of `communicator`: backward may use the original
// meanwhile.
//
// A parameter's gradient is a view of a buffer from the first begin_step() on: zero it in place or
// leave it to begin_step(). What gets no gradient counts as zeros. Parameters that do not require
// gradients are left out, and get none.
//
// begin_step() and finish() belong to one thread; hooks run in the threads of autograd (the
// caller's for a CPU, one of each GPU's own) and take a lock. Parameters and communicator outlive
// this.
class GradientReducer {
 public:
  GradientReducer(const models::NamedTensors& parameters, Communicator& communicator,
                  const ReducerOptions& options);
  ~GradientReducer();

  // Zeroes the gradients. With more_passes several backward() add up: no message goes before
  // last_pass() is called, ahead of the last of them.
  void begin_step(bool more_passes = false);
  void last_pass();
  // Sends what is left and waits; then the gradients are sums over the ranks. After the first step
  // in which rank 0 saw gradients, the next ones use the order in which they came.
  ReductionReport finish();

  // Positions among the parameters that require gradients; empty until they are learnt. Sums of
  // three ranks and more depend on it in their last bit, so a checkpoint keeps it.
  std::vector<int64_t> order() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::trainer
