// One process, no messages.
#include <cstdlib>
#include <cstring>

#include "common/error.h"
#include "trainer/communicator.h"
#include "trainer/element_bytes.h"

namespace muster::trainer {
namespace {

class DoneOperation : public PendingOperation {
 public:
  void wait() override {}
};

class SingleCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<PendingOperation> all_reduce_sum(void*, int64_t, ElementType) override {
    return std::make_unique<DoneOperation>();
  }
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    copy(local, all, counts, type);
  }
  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    copy(all, local, counts, type);
  }
  void broadcast(void*, int64_t, ElementType, int root) override { MUSTER_REQUIRE(root, ==, 0); }
  void barrier() override {}
  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<SingleCommunicator>();
  }
  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }

 private:
  static void copy(const void* from, void* to, const std::vector<int64_t>& counts,
                   ElementType type) {
    MUSTER_REQUIRE(counts.size(), ==, 1u);
    if (counts[0] > 0) {
      std::memcpy(to, from, static_cast<size_t>(counts[0]) * element_bytes(type));
    }
  }
};

}  // namespace

std::unique_ptr<Communicator> create_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

}  // namespace muster::trainer
