// Ends this process where MPI itself does not come back, at its beginning and its end, when no
// watchdog is there to see.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace muster::launcher {

class DeadlineGuard {
 public:
  // `what` has `limit_seconds` from now on; 0: for ever. Afterwards the guard prints a line that
  // names rank, host and `what` and ends the process with 1; rank 0 first, the others 3 s later, by
  // when the launcher has ended them. Time in which the process was stopped does not count.
  DeadlineGuard(std::string what, double limit_seconds);
  // It came back in time.
  ~DeadlineGuard();
  DeadlineGuard(const DeadlineGuard&) = delete;
  DeadlineGuard& operator=(const DeadlineGuard&) = delete;

 private:
  void watch();

  const std::string what_;
  const double limit_seconds_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace muster::launcher
