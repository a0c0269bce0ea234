// Heartbeats as small MPI messages.
#include <map>

#include "trainer/heartbeat_channel.h"
#include "trainer/mpi_library.h"

namespace muster::trainer {
namespace {

constexpr int kTag = 1;

class MpiHeartbeatChannel : public HeartbeatChannel {
 public:
  MpiHeartbeatChannel() : library_(MpiLibrary::shared()) {
    MpiRequest duplication(0, "MPI_Comm_dup");
    {
      const std::lock_guard<std::mutex> lock(library_->mutex());
      check_mpi(MPI_Comm_idup(MPI_COMM_WORLD, &group_, duplication.request()), 0, "MPI_Comm_dup");
    }
    library_->finish(duplication);
    const std::lock_guard<std::mutex> lock(library_->mutex());
    MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN);
    listen();
  }
  // A message to a rank that takes none stays with MPI, like its memory.
  ~MpiHeartbeatChannel() override {
    const std::lock_guard<std::mutex> lock(library_->mutex());
    if (receiving_ != MPI_REQUEST_NULL) {
      MPI_Cancel(&receiving_);
      MPI_Wait(&receiving_, MPI_STATUS_IGNORE);
    }
    for (auto& [rank, letter] : letters_) {
      if (!has_left(*letter)) static_cast<void>(letter.release());
    }
    MPI_Comm_free(&group_);
  }

  void send(int to, const Heartbeat& heartbeat) override {
    const std::lock_guard<std::mutex> lock(library_->mutex());
    std::unique_ptr<Letter>& letter = letters_[to];
    if (letter == nullptr) letter = std::make_unique<Letter>();
    letter->next = heartbeat;
    letter->has_next = true;
    post(to, *letter);
  }

  std::vector<Heartbeat> receive() override {
    const std::lock_guard<std::mutex> lock(library_->mutex());
    // Who only listens must not keep back what others wait for.
    for (auto& [rank, letter] : letters_) post(rank, *letter);
    std::vector<Heartbeat> all;
    int complete = receiving_ != MPI_REQUEST_NULL;
    while (complete != 0) {
      complete = 0;
      if (MPI_Test(&receiving_, &complete, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
      if (complete == 0) break;
      all.push_back(arriving_);
      listen();
    }
    return all;
  }

  bool all_sent() override {
    const std::lock_guard<std::mutex> lock(library_->mutex());
    bool all = true;
    for (auto& [rank, letter] : letters_) {
      post(rank, *letter);
      all = all && has_left(*letter) && !letter->has_next;
    }
    return all;
  }

 private:
  // To one rank.
  struct Letter {
    Heartbeat travelling, next;
    bool has_next = false;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  static bool has_left(Letter& letter) {
    int complete = 0;
    return MPI_Test(&letter.request, &complete, MPI_STATUS_IGNORE) != MPI_SUCCESS || complete != 0;
  }

  void post(int to, Letter& letter) {
    if (!letter.has_next || !has_left(letter)) return;
    letter.has_next = false;
    letter.travelling = letter.next;
    if (MPI_Isend(&letter.travelling, sizeof(Heartbeat), MPI_BYTE, to, kTag, group_,
                  &letter.request) != MPI_SUCCESS) {
      letter.request = MPI_REQUEST_NULL;
    }
  }

  void listen() {
    if (MPI_Irecv(&arriving_, sizeof(Heartbeat), MPI_BYTE, MPI_ANY_SOURCE, kTag, group_,
                  &receiving_) != MPI_SUCCESS) {
      receiving_ = MPI_REQUEST_NULL;
    }
  }

  const std::shared_ptr<MpiLibrary> library_;
  MPI_Comm group_ = MPI_COMM_NULL;
  MPI_Request receiving_ = MPI_REQUEST_NULL;
  Heartbeat arriving_;
  std::map<int, std::unique_ptr<Letter>> letters_;
};

}  // namespace

std::unique_ptr<HeartbeatChannel> create_mpi_heartbeat_channel() {
  return std::make_unique<MpiHeartbeatChannel>();
}

}  // namespace muster::trainer
