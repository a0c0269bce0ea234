#include "trainer/communicator_pair.h"

#include <exception>
#include <utility>

#include "common/error.h"

namespace muster::trainer {
namespace {

class CommunicatorPair : public Communicator {
 public:
  CommunicatorPair(std::unique_ptr<Communicator> host, std::unique_ptr<Communicator> gpu)
      : host_(std::move(host)), gpu_(std::move(gpu)) {
    MUSTER_REQUIRE(gpu_->rank(), ==, host_->rank());
    MUSTER_REQUIRE(gpu_->size(), ==, host_->size());
  }
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    return host_->all_reduce_sum(buffer, count, type);
  }
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    host_->all_gather(local, all, counts, type);
  }
  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    host_->reduce_scatter_sum(all, local, counts, type);
  }
  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    host_->broadcast(buffer, count, type, root);
  }
  void barrier() override { host_->barrier(); }
  std::unique_ptr<Communicator> duplicate() override {
    auto host = host_->duplicate();
    return create_communicator_pair(std::move(host), gpu_->duplicate());
  }
  Communicator& for_gpu_memory() override { return *gpu_; }
  [[noreturn]] void abort(int exit_code) override {
    gpu_->abort(exit_code);
    std::terminate();  // not reached; the interface cannot say so of its overriders
  }

 private:
  std::unique_ptr<Communicator> host_, gpu_;  // gpu_ goes first
};

}  // namespace

std::unique_ptr<Communicator> create_communicator_pair(std::unique_ptr<Communicator> host,
                                                       std::unique_ptr<Communicator> gpu) {
  return std::make_unique<CommunicatorPair>(std::move(host), std::move(gpu));
}

}  // namespace muster::trainer
