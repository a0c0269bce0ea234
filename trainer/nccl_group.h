// One NCCL communicator, never blocking: the only places where CUDA's and NCCL's return codes are
// looked at. Included by NCCL's sources only.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::trainer {

// Throws SystemError naming the rank and the operation.
void check_cuda(cudaError_t status, int rank, const char* operation);

// Calls are started by one thread; abort() and fault() may come from any.
class NcclGroup {
 public:
  // Collective: waits until all ranks of `identifier` are connected.
  NcclGroup(const ncclUniqueId& identifier, int rank, int size);
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  // Starts what `calls` queues as one group, and waits until it is queued (not until it is done).
  // Throws SystemError if NCCL refuses it, or if a fault was seen since the last call.
  void start(const char* operation, const std::function<ncclResult_t(ncclComm_t)>& calls);
  // Throws SystemError if a fault was seen.
  void require_sound(const char* operation);
  // Whether NCCL tells of a fault, such as a peer that is gone.
  bool faulty();
  // Ends whatever runs, here at once and at the peers as a fault. Later calls throw.
  void abort() noexcept;

 private:
  void settle(ncclResult_t status, const char* operation);
  ncclResult_t asynchronous_status();

  const int rank_;
  std::mutex mutex_;
  ncclComm_t group_ = nullptr;
  bool aborted_ = false;
};

// All groups of one process, watched by one thread.
class NcclWatch {
 public:
  NcclWatch();
  ~NcclWatch();
  void add(const std::shared_ptr<NcclGroup>& group);
  void abort_all() noexcept;

 private:
  std::vector<std::shared_ptr<NcclGroup>> alive();
  void watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::weak_ptr<NcclGroup>> groups_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace muster::trainer
