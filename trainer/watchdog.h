// Ends the job when a rank hangs or dies, with one line that says which and how far each was.
//
// Every rank has a watchdog with a thread of its own. Ten times a second, once a second from
// 64 ranks on, it tells rank 0, rank 1 and two ranks of its host where its rank is; ranks 0 and 1
// tell everybody. Rank 0 judges after
// the limit, rank 1 after 1.25 times and the others after 1.5 times, so that one rank speaks, and
// another one where that one hangs itself. Processes of one host also look every 100 ms whether
// their peers are alive. Time in which a watchdog's own thread was stopped, as by a suspended job,
// does not count.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "trainer/communicator.h"
#include "trainer/heartbeat_channel.h"
#include "trainer/operation_board.h"
#include "trainer/watch_judgement.h"

namespace muster::trainer {

struct WatchdogOptions {
  double limit_seconds = 600;
  WorkShare work = WorkShare::kEqual;
  // Prints a line; standard error if empty.
  std::function<void(const std::string& line)> tell;
  // Ends the job from the watchdog's thread; the communicator's abort(1) if empty.
  std::function<void()> end_job;
  // Before the job ends, for counting. May be empty.
  std::function<void(FaultKind)> on_verdict;
};

class Watchdog {
 public:
  // Collective: ranks tell each other their hosts and processes. All references must outlive it.
  Watchdog(Communicator& communicator, std::unique_ptr<HeartbeatChannel> channel,
           const OperationBoard& board, const WatchdogOptions& options);
  // Says goodbye: the rank ends well, and its silence and end mean nothing from now on.
  ~Watchdog();

  // This rank is about to end the job and has told why: the others' watchdogs must say nothing.
  void announce_failure();

 private:
  class Guard;
  const std::unique_ptr<Guard> guard_;
};

}  // namespace muster::trainer
