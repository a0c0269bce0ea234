// Collective operations between the ranks of one training.
//
// Every call is collective: all ranks make the same calls in the same order with matching sizes.
// One thread per rank and communicator; a duplicate may serve another thread. Buffers are pointer,
// count and type and stay the caller's. A failure of the world throws SystemError naming rank and
// operation; the communicator is then unusable except for abort().
//
// On buffers in a GPU's memory every verb but barrier() is one more piece of work in the order of
// the caller's current stream: it begins after what was queued before, what is queued after it (for
// all_reduce_sum, after wait()) sees its result, and the host does not wait.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster::trainer {

enum class ElementType { kFloat32, kFloat64, kInt64, kByte };

// A nonblocking operation, which goes on without this thread; the buffer must be left alone, and
// must live, until wait() returns. wait() once.
class PendingOperation {
 public:
  virtual ~PendingOperation() = default;
  virtual void wait() = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // In place. The sum's order of terms is fixed for a given size, so equal runs give equal bits.
  virtual std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                           ElementType type) = 0;
  // `all` gets rank 0's counts[0] elements, then rank 1's, ...; counts[rank()] may be 0.
  virtual void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                          ElementType type) = 0;
  // The inverse with sums: rank r gets the sum over ranks of the r-th stretch of `all`.
  virtual void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                                  ElementType type) = 0;
  virtual void broadcast(void* buffer, int64_t count, ElementType type, int root) = 0;
  virtual void barrier() = 0;
  // Another communicator of the same ranks. Its operations are ordered among themselves only, so
  // they may be started in another order than those of this one. Must not outlive this one.
  // (On GPUs: docs/decisions/0009-two-communicators.md.)
  virtual std::unique_ptr<Communicator> duplicate() = 0;
  // The one for buffers in a GPU's memory; itself where there is no other.
  virtual Communicator& for_gpu_memory() { return *this; }
  // Ends the whole job with this exit code; does not return. May be called by one rank alone.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

std::unique_ptr<Communicator> create_single_communicator();
// Initialises MPI, and finalises it when destroyed; at most one per process.
std::unique_ptr<Communicator> create_mpi_communicator();
// True if mpirun or srun --mpi=pmix started this process.
bool started_by_mpi_launcher();
// 0 when not started by a launcher.
int rank_from_environment();

}  // namespace muster::trainer
