// MPI while it lives, and the one place where its operations make progress.
//
// MPI is initialised as MPI_THREAD_SERIALIZED and every call of it is made under mutex(), which
// nobody holds while waiting: all operations are nonblocking ones that are tested again and again.
// (MPI_THREAD_MULTIPLE was measured: not faster, and blocking calls would spin.) Included by the
// sources that call MPI only.
#pragma once

#include <mpi.h>

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace muster::trainer {

// The only place where MPI return codes are looked at: throws SystemError naming rank and
// operation.
void check_mpi(int status, int rank, const char* operation);

// A communication that goes on when it is looked at. All calls under MpiLibrary::mutex().
class MpiWork {
 public:
  virtual ~MpiWork() = default;
  // Does what can be done without waiting; true if that was something. Sets `done` at the end.
  virtual bool advance() = 0;
  bool done = false;
  // Worth a thread's attention before it is waited for. Of a small one latency is all there is, and
  // a thread that is woken for it takes the core from somebody who computes.
  bool large = false;
  std::exception_ptr failure;
};

// One nonblocking operation of MPI's own.
class MpiRequest : public MpiWork {
 public:
  MpiRequest(int rank, const char* operation) : rank_(rank), operation_(operation) {}
  MPI_Request* request() { return &request_; }
  bool advance() override;

 private:
  MPI_Request request_ = MPI_REQUEST_NULL;
  const int rank_;
  const char* const operation_;
};

class MpiLibrary {
 public:
  MpiLibrary();
  ~MpiLibrary();  // finalises MPI
  MpiLibrary(const MpiLibrary&) = delete;
  MpiLibrary& operator=(const MpiLibrary&) = delete;
  // The one of this process, started by the first call and kept while anybody holds it.
  static std::shared_ptr<MpiLibrary> shared();

  std::mutex& mutex() { return mutex_; }
  // From now on the progress thread advances it; it sleeps between polls, and for good while there
  // is no large work. Call with mutex() held.
  void progress_in_background(std::shared_ptr<MpiWork> work);
  // The progress thread lets go of it, and so does the caller. What is not done then never will be,
  // but MPI may still write to its memory, which is kept.
  void forget(std::shared_ptr<MpiWork>& work);
  // Advances `work` until it is done; rethrows its failure. Spins for microseconds only, then lets
  // others have the core: at once where ranks outnumber the cores of their host. Without mutex().
  void finish(MpiWork& work);

 private:
  static bool advance(MpiWork& work);
  void run_progress_thread();
  bool advance_all();
  bool has_large_work() const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<MpiWork>> background_, abandoned_;
  bool asleep_ = false, stopping_ = false;
  bool crowded_ = false;  // more ranks than cores
  std::thread progress_;
};

}  // namespace muster::trainer
