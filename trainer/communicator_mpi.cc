// Ranks as MPI processes.
#include <mpi.h>

#include <cstdlib>
#include <limits>

#include "common/error.h"
#include "trainer/communicator.h"
#include "trainer/element_bytes.h"

namespace muster::trainer {
namespace {

// The only place where MPI return codes are looked at.
void check_mpi(int status, int rank, const char* operation) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw common::SystemError("rank " + std::to_string(rank),
                            std::string(operation) + " failed: " + text);
}

MPI_Datatype mpi_type(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return MPI_FLOAT;
    case ElementType::kFloat64:
      return MPI_DOUBLE;
    case ElementType::kInt64:
      return MPI_INT64_T;
    case ElementType::kByte:
      break;
  }
  return MPI_UINT8_T;
}

int as_int(int64_t count) {
  MUSTER_REQUIRE(count, <=, static_cast<int64_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(count);
}

struct Layout {
  std::vector<int> counts, offsets;
  explicit Layout(const std::vector<int64_t>& sizes) {
    int64_t offset = 0;
    for (const int64_t size : sizes) {
      counts.push_back(as_int(size));
      offsets.push_back(as_int(offset));
      offset += size;
    }
  }
};

class MpiOperation : public PendingOperation {
 public:
  MpiOperation(MPI_Request request, int rank) : request_(request), rank_(rank) {}
  void wait() override { check_mpi(MPI_Wait(&request_, MPI_STATUS_IGNORE), rank_, "all_reduce"); }

 private:
  MPI_Request request_;
  int rank_;
};

// MPI as long as it lives.
class MpiLibrary {
 public:
  MpiLibrary() {
    int provided = 0;
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), 0, "MPI_Init");
    MUSTER_REQUIRE(provided, >=, MPI_THREAD_SERIALIZED);
  }
  ~MpiLibrary() { MPI_Finalize(); }
  MpiLibrary(const MpiLibrary&) = delete;
  MpiLibrary& operator=(const MpiLibrary&) = delete;
};

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(std::shared_ptr<MpiLibrary> library, MPI_Comm of) : library_(std::move(library)) {
    check_mpi(MPI_Comm_dup(of, &group_), 0, "MPI_Comm_dup");
    MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(group_, &rank_);
    MPI_Comm_size(group_, &size_);
  }
  ~MpiCommunicator() override { MPI_Comm_free(&group_); }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, buffer, as_int(count), mpi_type(type), MPI_SUM, group_,
                             &request),
              rank_, "all_reduce");
    return std::make_unique<MpiOperation>(request, rank_);
  }

  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    const Layout layout(counts);
    check_mpi(MPI_Allgatherv(local, layout.counts[static_cast<size_t>(rank_)], mpi_type(type), all,
                             layout.counts.data(), layout.offsets.data(), mpi_type(type), group_),
              rank_, "all_gather");
  }

  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    const Layout layout(counts);
    check_mpi(MPI_Reduce_scatter(all, local, layout.counts.data(), mpi_type(type), MPI_SUM, group_),
              rank_, "reduce_scatter");
  }

  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    check_mpi(MPI_Bcast(buffer, as_int(count), mpi_type(type), root, group_), rank_, "broadcast");
  }

  void barrier() override { check_mpi(MPI_Barrier(group_), rank_, "barrier"); }

  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<MpiCommunicator>(library_, group_);
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(group_, exit_code);
    std::_Exit(exit_code);
  }

 private:
  std::shared_ptr<MpiLibrary> library_;  // goes last
  MPI_Comm group_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> create_mpi_communicator() {
  return std::make_unique<MpiCommunicator>(std::make_shared<MpiLibrary>(), MPI_COMM_WORLD);
}

bool started_by_mpi_launcher() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

int rank_from_environment() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    if (const char* value = std::getenv(name)) return std::atoi(value);
  }
  return 0;
}

}  // namespace muster::trainer
