#include "trainer/watched_communicator.h"

#include <cstdlib>

namespace muster::trainer {
namespace {

// While it lives, the board says that this thread waits. If an exception ends the wait, the board
// keeps saying so: the rank has come no further.
class NotedWait {
 public:
  NotedWait(OperationBoard& board, int channel, Operation operation, int64_t sequence)
      : board_(board), channel_(channel) {
    board_.wait_for(channel, operation, sequence);
  }
  void over() { board_.waited(channel_); }

 private:
  OperationBoard& board_;
  const int channel_;
};

class WatchedOperation : public PendingOperation {
 public:
  WatchedOperation(std::unique_ptr<PendingOperation> watched, OperationBoard& board, int channel,
                   int64_t sequence)
      : watched_(std::move(watched)), board_(board), channel_(channel), sequence_(sequence) {}
  void wait() override {
    NotedWait noted(board_, channel_, Operation::kAllReduce, sequence_);
    watched_->wait();
    noted.over();
  }

 private:
  const std::unique_ptr<PendingOperation> watched_;
  OperationBoard& board_;
  const int channel_;
  const int64_t sequence_;
};

class WatchedCommunicator : public Communicator {
 public:
  WatchedCommunicator(Communicator& watched, OperationBoard& board)
      : watched_(watched), board_(board), channel_(board.open_channel()) {}
  WatchedCommunicator(std::unique_ptr<Communicator> owned, OperationBoard& board)
      : owned_(std::move(owned)),
        watched_(*owned_),
        board_(board),
        channel_(board.open_channel()) {}
  ~WatchedCommunicator() override { board_.close_channel(channel_); }
  int rank() const override { return watched_.rank(); }
  int size() const override { return watched_.size(); }

  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    const int64_t sequence = board_.start(channel_, Operation::kAllReduce);
    return std::make_unique<WatchedOperation>(watched_.all_reduce_sum(buffer, count, type), board_,
                                              channel_, sequence);
  }
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    noted(Operation::kAllGather, [&] { watched_.all_gather(local, all, counts, type); });
  }
  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    noted(Operation::kReduceScatter,
          [&] { watched_.reduce_scatter_sum(all, local, counts, type); });
  }
  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    noted(Operation::kBroadcast, [&] { watched_.broadcast(buffer, count, type, root); });
  }
  void barrier() override {
    noted(Operation::kBarrier, [&] { watched_.barrier(); });
  }
  std::unique_ptr<Communicator> duplicate() override {
    std::unique_ptr<Communicator> made;
    noted(Operation::kDuplicate, [&] { made = watched_.duplicate(); });
    return std::make_unique<WatchedCommunicator>(std::move(made), board_);
  }
  Communicator& for_gpu_memory() override {
    Communicator& other = watched_.for_gpu_memory();
    if (&other == &watched_) return *this;
    if (!gpu_) gpu_ = std::make_unique<WatchedCommunicator>(other, board_);
    return *gpu_;
  }
  [[noreturn]] void abort(int exit_code) override {
    watched_.abort(exit_code);
    std::_Exit(exit_code);  // not reached; the compiler cannot know
  }

 private:
  template <typename Call>
  void noted(Operation operation, const Call& call) {
    NotedWait noted(board_, channel_, operation, board_.start(channel_, operation));
    call();
    noted.over();
  }

  const std::unique_ptr<Communicator> owned_;  // a duplicate's
  Communicator& watched_;
  OperationBoard& board_;
  const int channel_;
  std::unique_ptr<WatchedCommunicator> gpu_;  // made when it is asked for
};

}  // namespace

std::unique_ptr<Communicator> create_watched_communicator(Communicator& watched,
                                                          OperationBoard& board) {
  return std::make_unique<WatchedCommunicator>(watched, board);
}

}  // namespace muster::trainer
