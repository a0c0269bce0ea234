#include "tests/fakes/in_process_heartbeats.h"

#include <chrono>
#include <thread>

namespace muster::trainer {

class InProcessHeartbeatChannel : public HeartbeatChannel {
 public:
  InProcessHeartbeatChannel(HeartbeatExchange& exchange, int rank)
      : exchange_(exchange), rank_(rank) {}
  void send(int to, const Heartbeat& heartbeat) override {
    const std::lock_guard<std::mutex> lock(exchange_.mutex_);
    const ChannelPlace& place = heartbeat.place.channels[0];
    if (place.started > 0 && place.awaited == 0) exchange_.told_[rank_].insert(to);
    if (exchange_.silent_.count(rank_) + exchange_.silent_.count(to) > 0) return;
    exchange_.boxes_[static_cast<size_t>(to)].push_back(heartbeat);
  }
  std::vector<Heartbeat> receive() override {
    const std::lock_guard<std::mutex> lock(exchange_.mutex_);
    auto& box = exchange_.boxes_[static_cast<size_t>(rank_)];
    std::vector<Heartbeat> all(box.begin(), box.end());
    box.clear();
    return all;
  }
  bool all_sent() override { return true; }

 private:
  HeartbeatExchange& exchange_;
  const int rank_;
};

std::unique_ptr<HeartbeatChannel> HeartbeatExchange::channel(int rank) {
  return std::make_unique<InProcessHeartbeatChannel>(*this, rank);
}

void HeartbeatExchange::silence(int rank) {
  const std::lock_guard<std::mutex> lock(mutex_);
  silent_.insert(rank);
}

void HeartbeatExchange::wait_until_past_first_operation(int rank) {
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (told_[rank].size() + 1 == boxes_.size()) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace muster::trainer
