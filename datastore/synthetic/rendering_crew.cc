#include "datastore/synthetic/rendering_crew.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace muster::datastore {
namespace {

// Threads that take tasks one by one; the caller's thread tells progress.
class RenderingCrew {
 public:
  explicit RenderingCrew(const std::vector<RenderingTask>& tasks) : tasks_(tasks) {}

  void run(int jobs, common::ProgressSink& progress) {
    std::vector<std::thread> threads;
    running_ = jobs;
    for (int job = 0; job < jobs; ++job) threads.emplace_back([this] { work(); });
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (running_ > 0) {
        changed_.wait_for(lock, std::chrono::milliseconds(100));
        const int64_t done = frames_done_;
        lock.unlock();
        progress.advance(done);
        lock.lock();
      }
    }
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    progress.advance(frames_done_);
  }

 private:
  void work() {
    try {
      while (const RenderingTask* task = next()) (*task)([this] { return frame_done(); });
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    std::lock_guard<std::mutex> lock(mutex_);
    --running_;
    changed_.notify_one();
  }
  const RenderingTask* next() {
    std::lock_guard<std::mutex> lock(mutex_);
    return failure_ || next_ == tasks_.size() ? nullptr : &tasks_[next_++];
  }
  bool frame_done() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++frames_done_;
    return !failure_;
  }

  const std::vector<RenderingTask>& tasks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t next_ = 0;
  int64_t frames_done_ = 0;
  int running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

void render_all(const std::vector<RenderingTask>& tasks, int jobs, common::ProgressSink& progress) {
  RenderingCrew(tasks).run(jobs, progress);
}

}  // namespace muster::datastore
