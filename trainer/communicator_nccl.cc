// Ranks as GPUs under NCCL. Only the CUDA runtime and nccl.h, so that it builds wherever a toolkit
// is.
#include "trainer/communicator_nccl.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/error.h"
#include "trainer/element_bytes.h"
#include "trainer/nccl_group.h"

namespace muster::trainer {
namespace {

ncclDataType_t nccl_type(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return ncclFloat32;
    case ElementType::kFloat64:
      return ncclFloat64;
    case ElementType::kInt64:
      return ncclInt64;
    case ElementType::kByte:
      break;
  }
  return ncclUint8;
}

// A place in a stream.
class StreamMark {
 public:
  explicit StreamMark(int rank) : rank_(rank) {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), rank, "cudaEventCreate");
  }
  ~StreamMark() { cudaEventDestroy(event_); }
  StreamMark(const StreamMark&) = delete;
  StreamMark& operator=(const StreamMark&) = delete;
  void record(cudaStream_t stream) {
    check_cuda(cudaEventRecord(event_, stream), rank_, "cudaEventRecord");
  }
  // What `stream` is given from now on comes after the mark. The host goes on.
  void go_before(cudaStream_t stream) {
    check_cuda(cudaStreamWaitEvent(stream, event_, 0), rank_, "cudaStreamWaitEvent");
  }
  bool reached() {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    check_cuda(status, rank_, "cudaEventQuery");
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
  int rank_;
};

class NcclOperation : public PendingOperation {
 public:
  NcclOperation(std::shared_ptr<NcclGroup> group, cudaStream_t stream, int rank,
                CurrentStream current_stream)
      : group_(std::move(group)), done_(rank), current_stream_(current_stream) {
    done_.record(stream);
  }
  void wait() override {
    group_->require_sound("all_reduce");
    done_.go_before(current_stream_());
  }

 private:
  std::shared_ptr<NcclGroup> group_;
  StreamMark done_;
  CurrentStream current_stream_;
};

// The communicator's own stream, of high priority: its kernels start before what computes.
class OwnStream {
 public:
  explicit OwnStream(int rank) {
    int least = 0, greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), rank, "stream priorities");
    check_cuda(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest), rank,
               "cudaStreamCreate");
  }
  ~OwnStream() { cudaStreamDestroy(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

ncclUniqueId shared_identifier(Communicator& bootstrap) {
  ncclUniqueId identifier{};
  int64_t made = 1;
  if (bootstrap.rank() == 0) made = ncclGetUniqueId(&identifier) == ncclSuccess ? 1 : 0;
  bootstrap.broadcast(&made, 1, ElementType::kInt64, 0);
  if (made == 0) throw common::SystemError("rank 0", "ncclGetUniqueId failed");
  bootstrap.broadcast(&identifier, sizeof(identifier), ElementType::kByte, 0);
  return identifier;
}

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(Communicator& bootstrap, int device, CurrentStream current_stream,
                   std::shared_ptr<NcclWatch> watch)
      : bootstrap_(bootstrap),
        rank_(bootstrap.rank()),
        size_(bootstrap.size()),
        device_(device),
        current_stream_(current_stream),
        watch_(std::move(watch)),
        stream_((choose_device(), rank_)),
        caller_(rank_),
        done_(rank_),
        group_(std::make_shared<NcclGroup>(shared_identifier(bootstrap), rank_, size_)) {
    watch_->add(group_);
    connect();
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    start("all_reduce", [&](ncclComm_t group) {
      if (count == 0) return ncclSuccess;
      return ncclAllReduce(buffer, buffer, static_cast<size_t>(count), nccl_type(type), ncclSum,
                           group, stream_.get());
    });
    return std::make_unique<NcclOperation>(group_, stream_.get(), rank_, current_stream_);
  }

  // NCCL gathers equal shares only: unequal ones are one broadcast from each rank, in a group.
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    auto* target = static_cast<char*>(all);
    start("all_gather", [&](ncclComm_t group) {
      return for_each_share(counts, type, [&](size_t offset, size_t count, int root) {
        const void* source = root == rank_ ? local : nullptr;
        return ncclBroadcast(source, target + offset, count, nccl_type(type), root, group,
                             stream_.get());
      });
    });
    let_caller_follow();
  }

  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    const auto* source = static_cast<const char*>(all);
    start("reduce_scatter", [&](ncclComm_t group) {
      return for_each_share(counts, type, [&](size_t offset, size_t count, int root) {
        void* target = root == rank_ ? local : nullptr;
        return ncclReduce(source + offset, target, count, nccl_type(type), ncclSum, root, group,
                          stream_.get());
      });
    });
    let_caller_follow();
  }

  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    MUSTER_REQUIRE(root, <, size_);
    start("broadcast", [&](ncclComm_t group) {
      if (count == 0) return ncclSuccess;
      return ncclBroadcast(buffer, buffer, static_cast<size_t>(count), nccl_type(type), root, group,
                           stream_.get());
    });
    let_caller_follow();
  }

  void barrier() override {
    drain("barrier");
    bootstrap_.barrier();
  }

  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<NcclCommunicator>(bootstrap_, device_, current_stream_, watch_);
  }

  [[noreturn]] void abort(int exit_code) override {
    watch_->abort_all();
    bootstrap_.abort(exit_code);
    std::_Exit(exit_code);  // not reached
  }

 private:
  // CUDA's current device belongs to the thread; backward has threads of its own.
  void choose_device() { check_cuda(cudaSetDevice(device_), rank_, "cudaSetDevice"); }

  // What the caller's stream was given so far comes first.
  void start(const char* operation, const std::function<ncclResult_t(ncclComm_t)>& calls) {
    choose_device();
    caller_.record(current_stream_());
    caller_.go_before(stream_.get());
    group_->start(operation, calls);
  }
  void let_caller_follow() {
    done_.record(stream_.get());
    done_.go_before(current_stream_());
  }
  // Waits for the own stream, looking out for faults.
  void drain(const char* operation) {
    choose_device();
    done_.record(stream_.get());
    while (!done_.reached()) {
      group_->require_sound(operation);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    group_->require_sound(operation);
  }

  // NCCL connects at the first operation, and takes memory for it: now, when nobody waits.
  void connect() {
    void* word = nullptr;
    check_cuda(cudaMalloc(&word, sizeof(float)), rank_, "cudaMalloc");
    all_reduce_sum(word, 1, ElementType::kFloat32)->wait();
    drain("connecting the ranks");
    check_cuda(cudaFree(word), rank_, "cudaFree");
  }

  // Calls with the place in bytes, the elements and the rank of every share that has some.
  template <typename Call>
  ncclResult_t for_each_share(const std::vector<int64_t>& counts, ElementType type,
                              const Call& call) const {
    MUSTER_REQUIRE(static_cast<int>(counts.size()), ==, size_);
    size_t offset = 0;
    for (int root = 0; root < size_; ++root) {
      const auto count = static_cast<size_t>(counts[static_cast<size_t>(root)]);
      if (count == 0) continue;
      const ncclResult_t status = call(offset, count, root);
      if (status != ncclSuccess && status != ncclInProgress) return status;
      offset += count * element_bytes(type);
    }
    return ncclSuccess;
  }

  Communicator& bootstrap_;
  const int rank_, size_, device_;
  const CurrentStream current_stream_;
  const std::shared_ptr<NcclWatch> watch_;
  OwnStream stream_;
  StreamMark caller_, done_;
  std::shared_ptr<NcclGroup> group_;  // goes first
};

}  // namespace

std::unique_ptr<Communicator> create_nccl_communicator(Communicator& bootstrap, int device,
                                                       CurrentStream current_stream) {
  return std::make_unique<NcclCommunicator>(bootstrap, device, current_stream,
                                            std::make_shared<NcclWatch>());
}

}  // namespace muster::trainer
