// The all-reduce of large buffers, made of messages between pairs of ranks.
//
// Open MPI's own nonblocking one moves the whole buffer twice on 2 and 3 ranks. Here rank r owns
// the r-th of `size` pieces: it gets everybody's contribution to it, adds them in rank order, and
// sends the sum to everybody, segment by segment. Each rank sends and receives 2 (size - 1) / size
// of the buffer, the least there is, and sums do not depend on when messages arrive.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/communicator.h"
#include "trainer/mpi_library.h"

namespace muster::trainer {

// Memory for others' contributions, used again and again: fresh pages cost as much as the sums.
// Under MpiLibrary::mutex().
class MpiScratch {
 public:
  using Block = std::unique_ptr<char[]>;
  Block take(size_t bytes);  // the same number in every call
  void give_back(Block block);

 private:
  std::vector<Block> free_;
};

struct MpiGroup {
  MPI_Comm communicator = MPI_COMM_NULL;
  int rank = 0, size = 1;
};

class MpiAllReduce : public MpiWork {
 public:
  // `sequence` counts the calls on this group: it keeps the messages of different calls apart.
  // `scratch` is the group's. Made and destroyed under MpiLibrary::mutex().
  MpiAllReduce(void* buffer, int64_t count, ElementType type, const MpiGroup& group,
               int64_t sequence, std::shared_ptr<MpiScratch> scratch);
  ~MpiAllReduce() override;
  bool advance() override;

  // More than a matter of latency.
  static bool is_large(int64_t count, ElementType type);
  // Whether this is the way for such a buffer; the same on every rank.
  static bool suits(int64_t count, ElementType type, int size);

 private:
  enum class Stage { kContribution, kArrived, kSum, kDone };
  // A message of one segment to or from one rank, and the one that answers it.
  struct Exchange {
    MPI_Request request = MPI_REQUEST_NULL;
    Stage stage = Stage::kDone;
  };
  // One segment of every piece.
  struct Slot {
    int64_t segment = 0;
    std::vector<Exchange> theirs;     // per rank: of its piece
    std::vector<Exchange> ours;       // per rank: of our piece
    MpiScratch::Block contributions;  // per rank but this one, a segment each
    bool busy = false;
  };
  // Elements of the buffer.
  struct Stretch {
    int64_t begin = 0, count = 0;
  };

  Stretch stretch(int piece, int64_t segment) const;
  char* at(const Stretch& stretch) const;
  char* contribution(const Slot& slot, int from) const;
  int tag(int64_t segment, bool sum) const;
  bool start(Slot& slot);
  bool advance_theirs(Slot& slot, int rank);
  bool advance_ours(Slot& slot, int rank);
  bool add_and_send(Slot& slot);
  bool arrived(MPI_Request& request) const;
  void send(const char* data, int64_t count, int to, int tag, MPI_Request& request) const;
  void receive(char* data, int64_t count, int from, int tag, MPI_Request& request) const;

  char* const buffer_;
  const int64_t count_;
  const ElementType type_;
  const MpiGroup group_;
  const int64_t sequence_;
  const int64_t segment_elements_, segments_;
  const std::shared_ptr<MpiScratch> scratch_;
  int64_t next_segment_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace muster::trainer
