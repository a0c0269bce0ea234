// Heartbeats between watchdogs of one process.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "trainer/heartbeat_channel.h"

namespace muster::trainer {

// Where heartbeats meet. Any thread.
class HeartbeatExchange {
 public:
  explicit HeartbeatExchange(int size) : boxes_(static_cast<size_t>(size)) {}
  std::unique_ptr<HeartbeatChannel> channel(int rank);
  // From now on nothing comes from this rank or goes to it, as if all its threads were stopped.
  void silence(int rank);
  // Until `rank` has told all others that it is past the first operation of its communicator.
  void wait_until_past_first_operation(int rank);

 private:
  friend class InProcessHeartbeatChannel;
  std::mutex mutex_;
  std::vector<std::deque<Heartbeat>> boxes_;
  std::set<int> silent_;
  std::map<int, std::set<int>> told_;  // per rank: to whom it told that
};

}  // namespace muster::trainer
