#include "trainer/operation_board.h"

#include <algorithm>

namespace muster::trainer {

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::kAllReduce:
      return "all_reduce";
    case Operation::kAllGather:
      return "all_gather";
    case Operation::kReduceScatter:
      return "reduce_scatter";
    case Operation::kBroadcast:
      return "broadcast";
    case Operation::kBarrier:
      return "barrier";
    case Operation::kDuplicate:
      return "duplicate";
    case Operation::kNone:
      break;
  }
  return "nothing";
}

int OperationBoard::open_channel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto free = std::find(open_.begin(), open_.end(), false);
  if (free != open_.end()) *free = true;
  return static_cast<int>(free - open_.begin());
}

void OperationBoard::close_channel(int channel) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (channel < kWatchedChannels) open_[static_cast<size_t>(channel)] = false;
}

int64_t OperationBoard::start(int channel, Operation operation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (channel >= kWatchedChannels) return 0;
  ChannelPlace& place = place_.channels[static_cast<size_t>(channel)];
  place.last = operation;
  place_.recent = channel;
  return ++place.started;
}

void OperationBoard::wait_for(int channel, Operation operation, int64_t sequence) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (channel >= kWatchedChannels) return;
  ChannelPlace& place = place_.channels[static_cast<size_t>(channel)];
  place.awaited = sequence;
  place.awaited_operation = operation;
}

void OperationBoard::waited(int channel) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (channel >= kWatchedChannels) return;
  ChannelPlace& place = place_.channels[static_cast<size_t>(channel)];
  place.awaited = 0;
  place.awaited_operation = Operation::kNone;
}

void OperationBoard::finish_step(int64_t step) {
  const std::lock_guard<std::mutex> lock(mutex_);
  place_.step = step;
}

Whereabouts OperationBoard::read() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return place_;
}

}  // namespace muster::trainer
