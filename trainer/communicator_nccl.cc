// Ranks as GPUs under NCCL. Only the CUDA runtime and nccl.h, so that it builds wherever a toolkit
// is.
#include "trainer/communicator_nccl.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "common/error.h"
#include "trainer/element_bytes.h"

namespace muster::trainer {
namespace {

// The only places where CUDA and NCCL return codes are looked at.
void check_cuda(cudaError_t status, int rank, const char* operation) {
  if (status == cudaSuccess) return;
  throw common::SystemError("rank " + std::to_string(rank),
                            std::string(operation) + " failed: " + cudaGetErrorString(status));
}

void check_nccl(ncclResult_t status, int rank, const char* operation) {
  if (status == ncclSuccess) return;
  throw common::SystemError("rank " + std::to_string(rank),
                            std::string(operation) + " failed: " + ncclGetErrorString(status));
}

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

class NcclOperation : public PendingOperation {
 public:
  NcclOperation(cudaStream_t stream, int rank) : rank_(rank) {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), rank, "cudaEventCreate");
    check_cuda(cudaEventRecord(event_, stream), rank, "cudaEventRecord");
  }
  ~NcclOperation() override { cudaEventDestroy(event_); }
  void wait() override { check_cuda(cudaEventSynchronize(event_), rank_, "all_reduce"); }

 private:
  cudaEvent_t event_ = nullptr;
  int rank_;
};

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(Communicator& bootstrap, int device)
      : bootstrap_(bootstrap), rank_(bootstrap.rank()), size_(bootstrap.size()), device_(device) {
    check_cuda(cudaSetDevice(device), rank_, "cudaSetDevice");
    ncclUniqueId identifier{};
    if (rank_ == 0) check_nccl(ncclGetUniqueId(&identifier), rank_, "ncclGetUniqueId");
    bootstrap_.broadcast(&identifier, sizeof(identifier), ElementType::kByte, 0);
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), rank_,
               "cudaStreamCreate");
    check_nccl(ncclCommInitRank(&group_, size_, identifier, rank_), rank_, "ncclCommInitRank");
  }
  ~NcclCommunicator() override {
    ncclCommDestroy(group_);
    cudaStreamDestroy(stream_);
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    check_nccl(ncclAllReduce(buffer, buffer, static_cast<size_t>(count), nccl_type(type), ncclSum,
                             group_, stream_),
               rank_, "all_reduce");
    return std::make_unique<NcclOperation>(stream_, rank_);
  }

  // NCCL gathers equal shares only: unequal ones are one broadcast from each rank, in a group.
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    check_nccl(ncclGroupStart(), rank_, "all_gather");
    auto* target = static_cast<char*>(all);
    for (int root = 0; root < size_; ++root) {
      const auto count = static_cast<size_t>(counts[static_cast<size_t>(root)]);
      check_nccl(ncclBroadcast(local, target, count, nccl_type(type), root, group_, stream_), rank_,
                 "all_gather");
      target += count * element_bytes(type);
    }
    check_nccl(ncclGroupEnd(), rank_, "all_gather");
    synchronise("all_gather");
  }

  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    check_nccl(ncclGroupStart(), rank_, "reduce_scatter");
    const auto* source = static_cast<const char*>(all);
    for (int root = 0; root < size_; ++root) {
      const auto count = static_cast<size_t>(counts[static_cast<size_t>(root)]);
      check_nccl(ncclReduce(source, local, count, nccl_type(type), ncclSum, root, group_, stream_),
                 rank_, "reduce_scatter");
      source += count * element_bytes(type);
    }
    check_nccl(ncclGroupEnd(), rank_, "reduce_scatter");
    synchronise("reduce_scatter");
  }

  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    check_nccl(ncclBroadcast(buffer, buffer, static_cast<size_t>(count), nccl_type(type), root,
                             group_, stream_),
               rank_, "broadcast");
    synchronise("broadcast");
  }

  void barrier() override {
    synchronise("barrier");
    bootstrap_.barrier();
  }

  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<NcclCommunicator>(bootstrap_, device_);
  }

  [[noreturn]] void abort(int exit_code) override {
    ncclCommAbort(group_);
    bootstrap_.abort(exit_code);
  }

 private:
  void synchronise(const char* operation) {
    check_cuda(cudaStreamSynchronize(stream_), rank_, operation);
  }

  Communicator& bootstrap_;
  int rank_, size_, device_;
  cudaStream_t stream_ = nullptr;
  ncclComm_t group_ = nullptr;
};

}  // namespace

std::unique_ptr<Communicator> create_nccl_communicator(Communicator& bootstrap, int device) {
  return std::make_unique<NcclCommunicator>(bootstrap, device);
}

}  // namespace muster::trainer
