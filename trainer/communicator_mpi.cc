// Ranks as MPI processes.
#include <chrono>
#include <cstdlib>
#include <limits>

#include "common/error.h"
#include "trainer/communicator.h"
#include "trainer/mpi_all_reduce.h"
#include "trainer/mpi_library.h"

namespace muster::trainer {
namespace {

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

// A reduction that the progress thread carries on.
class MpiOperation : public PendingOperation {
 public:
  MpiOperation(std::shared_ptr<MpiLibrary> library, std::shared_ptr<MpiWork> work)
      : library_(std::move(library)), work_(std::move(work)) {}
  // Not waited for only where an exception ends the job: the rest of it must not be started.
  ~MpiOperation() override { library_->forget(work_); }
  void wait() override { library_->finish(*work_); }

 private:
  const std::shared_ptr<MpiLibrary> library_;
  std::shared_ptr<MpiWork> work_;
};

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(std::shared_ptr<MpiLibrary> library, MPI_Comm of) : library_(std::move(library)) {
    complete("MPI_Comm_dup", [&](MPI_Request* request) {
      return MPI_Comm_idup(of, &group_.communicator, request);
    });
    const std::lock_guard<std::mutex> lock(library_->mutex());
    MPI_Comm_set_errhandler(group_.communicator, MPI_ERRORS_RETURN);
    MPI_Comm_rank(group_.communicator, &group_.rank);
    MPI_Comm_size(group_.communicator, &group_.size);
  }
  ~MpiCommunicator() override {
    const std::lock_guard<std::mutex> lock(library_->mutex());
    MPI_Comm_free(&group_.communicator);
  }
  int rank() const override { return group_.rank; }
  int size() const override { return group_.size; }

  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    const std::lock_guard<std::mutex> lock(library_->mutex());
    std::shared_ptr<MpiWork> work;
    if (MpiAllReduce::suits(count, type, size())) {
      work = std::make_shared<MpiAllReduce>(buffer, count, type, group_, reductions_++, scratch_);
    } else {
      const auto request = std::make_shared<MpiRequest>(rank(), "all_reduce");
      check_mpi(MPI_Iallreduce(MPI_IN_PLACE, buffer, as_int(count), mpi_type(type), MPI_SUM,
                               group_.communicator, request->request()),
                rank(), "all_reduce");
      work = request;
    }
    work->large = MpiAllReduce::is_large(count, type);
    library_->progress_in_background(work);
    return std::make_unique<MpiOperation>(library_, work);
  }

  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    const Layout layout(counts);
    complete("all_gather", [&](MPI_Request* request) {
      return MPI_Iallgatherv(local, layout.counts[static_cast<size_t>(rank())], mpi_type(type), all,
                             layout.counts.data(), layout.offsets.data(), mpi_type(type),
                             group_.communicator, request);
    });
  }

  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    const Layout layout(counts);
    complete("reduce_scatter", [&](MPI_Request* request) {
      return MPI_Ireduce_scatter(all, local, layout.counts.data(), mpi_type(type), MPI_SUM,
                                 group_.communicator, request);
    });
  }

  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    complete("broadcast", [&](MPI_Request* request) {
      return MPI_Ibcast(buffer, as_int(count), mpi_type(type), root, group_.communicator, request);
    });
  }

  void barrier() override {
    complete("barrier",
             [&](MPI_Request* request) { return MPI_Ibarrier(group_.communicator, request); });
  }

  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<MpiCommunicator>(library_, group_.communicator);
  }

  // Called when things have gone wrong: a thread that is stuck inside MPI must not stop it.
  [[noreturn]] void abort(int exit_code) override {
    std::unique_lock<std::mutex> lock(library_->mutex(), std::defer_lock);
    for (int attempt = 0; attempt < 20 && !lock.try_lock(); ++attempt) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    MPI_Abort(group_.communicator, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // A nonblocking operation of MPI to its end.
  template <typename Start>
  void complete(const char* operation, const Start& start) {
    MpiRequest request(group_.rank, operation);
    {
      const std::lock_guard<std::mutex> lock(library_->mutex());
      check_mpi(start(request.request()), group_.rank, operation);
    }
    library_->finish(request);
  }

  std::shared_ptr<MpiLibrary> library_;  // goes last
  MpiGroup group_;
  int64_t reductions_ = 0;
  const std::shared_ptr<MpiScratch> scratch_ = std::make_shared<MpiScratch>();
};

}  // namespace

std::unique_ptr<Communicator> create_mpi_communicator() {
  return std::make_unique<MpiCommunicator>(MpiLibrary::shared(), MPI_COMM_WORLD);
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
