// Where this rank is: the communicators write it, the watchdog reads it. Any thread.
#pragma once

#include <mutex>

#include "trainer/heartbeat.h"

namespace muster::trainer {

class OperationBoard {
 public:
  // A number for a communicator: the lowest free one, and its count goes on where it stopped, so
  // that ranks which make the same calls agree. kWatchedChannels: too many, not watched.
  int open_channel();
  void close_channel(int channel);

  // An operation begins; its sequence number.
  int64_t start(int channel, Operation operation);
  // A thread waits for the operation with this number, or no longer.
  void wait_for(int channel, Operation operation, int64_t sequence);
  void waited(int channel);

  // `step` steps are complete.
  void finish_step(int64_t step);

  Whereabouts read() const;

 private:
  mutable std::mutex mutex_;
  Whereabouts place_;
  std::array<bool, kWatchedChannels> open_{};
};

}  // namespace muster::trainer
