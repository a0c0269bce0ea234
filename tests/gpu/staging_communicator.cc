#include "tests/gpu/staging_communicator.h"

#include <ATen/ATen.h>

#include <cstring>
#include <numeric>

#include "trainer/element_bytes.h"

namespace muster::trainer {
namespace {

// Bytes of the host and their copy on the GPU.
class Staged {
 public:
  Staged(const void* host, int64_t count, ElementType type)
      : bytes_(count * static_cast<int64_t>(element_bytes(type))) {
    at::Tensor copy = at::empty({bytes_}, at::TensorOptions(at::kByte));
    if (host != nullptr && bytes_ > 0) {
      std::memcpy(copy.data_ptr(), host, static_cast<size_t>(bytes_));
    }
    gpu_ = copy.to(at::kCUDA);
  }
  void* data() const { return gpu_.data_ptr(); }
  void bring_back(void* host) const {
    const at::Tensor copy = gpu_.to(at::kCPU);
    if (bytes_ > 0) std::memcpy(host, copy.data_ptr(), static_cast<size_t>(bytes_));
  }

 private:
  int64_t bytes_;
  at::Tensor gpu_;
};

class StagedOperation : public PendingOperation {
 public:
  StagedOperation(Staged staged, void* host, std::unique_ptr<PendingOperation> pending)
      : staged_(std::move(staged)), host_(host), pending_(std::move(pending)) {}
  void wait() override {
    pending_->wait();
    staged_.bring_back(host_);
  }

 private:
  Staged staged_;
  void* host_;
  std::unique_ptr<PendingOperation> pending_;
};

class StagingCommunicator : public Communicator {
 public:
  explicit StagingCommunicator(Communicator& gpu) : gpu_(gpu) {}
  explicit StagingCommunicator(std::unique_ptr<Communicator> gpu)
      : owned_(std::move(gpu)), gpu_(*owned_) {}
  int rank() const override { return gpu_.rank(); }
  int size() const override { return gpu_.size(); }
  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    Staged staged(buffer, count, type);
    auto pending = gpu_.all_reduce_sum(staged.data(), count, type);
    return std::make_unique<StagedOperation>(std::move(staged), buffer, std::move(pending));
  }
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    const Staged from(local, counts[static_cast<size_t>(rank())], type);
    const Staged to(nullptr, total(counts), type);
    gpu_.all_gather(from.data(), to.data(), counts, type);
    to.bring_back(all);
  }
  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    const Staged from(all, total(counts), type);
    const Staged to(nullptr, counts[static_cast<size_t>(rank())], type);
    gpu_.reduce_scatter_sum(from.data(), to.data(), counts, type);
    to.bring_back(local);
  }
  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    const Staged staged(buffer, count, type);
    gpu_.broadcast(staged.data(), count, type, root);
    staged.bring_back(buffer);
  }
  void barrier() override { gpu_.barrier(); }
  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<StagingCommunicator>(gpu_.duplicate());
  }
  [[noreturn]] void abort(int exit_code) override { gpu_.abort(exit_code); }

 private:
  static int64_t total(const std::vector<int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), int64_t{0});
  }

  std::unique_ptr<Communicator> owned_;
  Communicator& gpu_;
};

}  // namespace

std::unique_ptr<Communicator> create_staging_communicator(Communicator& gpu) {
  return std::make_unique<StagingCommunicator>(gpu);
}

}  // namespace muster::trainer
