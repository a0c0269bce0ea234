// How heartbeats travel between ranks. Nothing in it waits, so it works beside a rank that hangs.
#pragma once

#include <memory>
#include <vector>

#include "trainer/heartbeat.h"

namespace muster::trainer {

// Of one thread.
class HeartbeatChannel {
 public:
  virtual ~HeartbeatChannel() = default;
  // The latest message to a rank replaces one that could not leave yet. Never waits, never throws:
  // a peer that is gone is the watchdog's business, not the messenger's.
  virtual void send(int to, const Heartbeat& heartbeat) = 0;
  // All that has arrived, in its order.
  virtual std::vector<Heartbeat> receive() = 0;
  // Whether everything sent has left this rank.
  virtual bool all_sent() = 0;
};

// On a group of its own among all ranks of the MPI communicator, which must outlive it. Collective.
std::unique_ptr<HeartbeatChannel> create_mpi_heartbeat_channel();

}  // namespace muster::trainer
