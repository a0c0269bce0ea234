#include "trainer/mpi_library.h"

#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "common/error.h"

namespace muster::trainer {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr microseconds kPollEvery{150};
// How long the progress thread polls for new work before it sleeps until it is called: waking it
// costs as much as a small all-reduce.
constexpr microseconds kLinger{2000};
constexpr microseconds kSpin{50}, kYield{150};  // of a caller that waits, one after the other
constexpr microseconds kShortestSleep{20}, kLongestSleep{200};

// Linux adds 50 us to every sleep of a thread that did not ask for exact ones.
void ask_for_exact_sleeps() { ::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL); }

// What a caller does between two looks at what it waits for.
class Patience {
 public:
  explicit Patience(bool crowded) : spin_(crowded ? microseconds(0) : kSpin) {}
  void something_moved() { since_ = Clock::now(); }
  void pause() {
    const auto waited = Clock::now() - since_;
    if (waited < spin_) return;
    if (waited < spin_ + kYield) {
      ::sched_yield();
      return;
    }
    thread_local const bool exact = (ask_for_exact_sleeps(), true);
    static_cast<void>(exact);
    const auto share = std::chrono::duration_cast<microseconds>(waited) / 16;
    std::this_thread::sleep_for(std::clamp(share, kShortestSleep, kLongestSleep));
  }

 private:
  const microseconds spin_;
  Clock::time_point since_ = Clock::now();
};

bool ranks_outnumber_cores() {
  MPI_Comm host = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host), 0,
            "MPI_Comm_split_type");
  int ranks = 0;
  MPI_Comm_size(host, &ranks);
  MPI_Comm_free(&host);
  return ranks > static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

void check_mpi(int status, int rank, const char* operation) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw common::SystemError("rank " + std::to_string(rank),
                            std::string(operation) + " failed: " + text);
}

bool MpiRequest::advance() {
  int complete = 0;
  check_mpi(MPI_Test(&request_, &complete, MPI_STATUS_IGNORE), rank_, operation_);
  done = complete != 0;
  return done;
}

MpiLibrary::MpiLibrary() {
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), 0, "MPI_Init");
  MUSTER_REQUIRE(provided, >=, MPI_THREAD_SERIALIZED);
  crowded_ = ranks_outnumber_cores();
  progress_ = std::thread([this] { run_progress_thread(); });
}

MpiLibrary::~MpiLibrary() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  progress_.join();
  MPI_Finalize();
}

std::shared_ptr<MpiLibrary> MpiLibrary::shared() {
  static std::mutex one_at_a_time;
  static std::weak_ptr<MpiLibrary> running;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  std::shared_ptr<MpiLibrary> library = running.lock();
  if (library == nullptr) running = library = std::make_shared<MpiLibrary>();
  return library;
}

void MpiLibrary::progress_in_background(std::shared_ptr<MpiWork> work) {
  const bool wakes = work->large;
  background_.push_back(std::move(work));
  if (asleep_ && wakes) changed_.notify_one();
}

bool MpiLibrary::has_large_work() const {
  return std::any_of(background_.begin(), background_.end(),
                     [](const std::shared_ptr<MpiWork>& work) { return work->large; });
}

void MpiLibrary::forget(std::shared_ptr<MpiWork>& work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!work->done) abandoned_.push_back(work);
  background_.erase(std::remove(background_.begin(), background_.end(), work), background_.end());
  work.reset();
}

bool MpiLibrary::advance(MpiWork& work) {
  if (work.done) return false;
  try {
    return work.advance();
  } catch (...) {
    work.failure = std::current_exception();
    work.done = true;
    return true;
  }
}

void MpiLibrary::finish(MpiWork& work) {
  Patience patience(crowded_);
  for (;;) {
    bool moved = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      moved = advance(work);
      if (work.done) break;
    }
    if (moved) {
      patience.something_moved();
    } else {
      patience.pause();
    }
  }
  if (work.failure) std::rethrow_exception(work.failure);
}

bool MpiLibrary::advance_all() {
  bool moved = false;
  for (const auto& work : background_) moved = advance(*work) || moved;
  const auto is_done = [](const std::shared_ptr<MpiWork>& work) { return work->done; };
  background_.erase(std::remove_if(background_.begin(), background_.end(), is_done),
                    background_.end());
  return moved;
}

void MpiLibrary::run_progress_thread() {
  ask_for_exact_sleeps();
  Clock::time_point last_work = Clock::now();
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    const bool moved = advance_all();
    if (has_large_work()) {
      last_work = Clock::now();
    } else if (Clock::now() - last_work > kLinger) {
      asleep_ = true;
      changed_.wait(lock, [this] { return stopping_ || has_large_work(); });
      asleep_ = false;
      continue;
    }
    // The lock goes to whoever waits for it in the meantime.
    lock.unlock();
    if (moved) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(kPollEvery);
    }
    lock.lock();
  }
}

}  // namespace muster::trainer
