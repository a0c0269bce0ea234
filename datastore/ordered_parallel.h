// Runs independent work in threads and hands the results on in order.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "common/error.h"

namespace muster::datastore {

namespace detail {

// Throws SystemError.
template <typename Work>
void start_thread(std::vector<std::thread>& workers, const Work& work) {
  try {
    workers.emplace_back(work);
  } catch (const std::system_error& failure) {
    throw common::SystemError("thread " + std::to_string(workers.size() + 1),
                              "cannot be started: " + failure.code().message(),
                              "ask for fewer at a time");
  }
}

}  // namespace detail

// Calls produce(i) for i in [0, count) in `threads` threads (fewer where there is less to do) and
// consume(i, result) in the calling thread in the order of i. At most 2 * threads results wait, so
// memory is bounded. The first exception of either (the lowest i among producers that ran) ends the
// work and is rethrown. Throws SystemError if the system has no room for so many threads.
template <typename Produce, typename Consume>
void ordered_parallel(size_t count, int threads, const Produce& produce, const Consume& consume) {
  MUSTER_REQUIRE(threads, >, 0);
  using Result = decltype(produce(size_t{0}));
  struct Outcome {
    std::vector<Result> value;  // empty or one
    std::exception_ptr failure;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::map<size_t, Outcome> waiting;
  size_t next_to_produce = 0, next_to_consume = 0;
  bool stop = false;
  const size_t window = 2 * static_cast<size_t>(threads);

  const auto work = [&] {
    for (;;) {
      size_t index;
      {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] {
          return stop || next_to_produce >= count || next_to_produce < next_to_consume + window;
        });
        if (stop || next_to_produce >= count) return;
        index = next_to_produce++;
      }
      Outcome outcome;
      try {
        outcome.value.push_back(produce(index));
      } catch (...) {
        outcome.failure = std::current_exception();
      }
      const std::lock_guard<std::mutex> lock(mutex);
      waiting.emplace(index, std::move(outcome));
      changed.notify_all();
    }
  };
  const auto finish = [&](std::vector<std::thread>& workers) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stop = true;
      changed.notify_all();
    }
    for (std::thread& worker : workers) worker.join();
  };

  const size_t wanted = std::min(static_cast<size_t>(threads), count);
  std::vector<std::thread> workers;
  workers.reserve(wanted);
  try {
    while (workers.size() < wanted) detail::start_thread(workers, work);
    while (next_to_consume < count) {
      Outcome outcome;
      {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return waiting.count(next_to_consume) > 0; });
        outcome = std::move(waiting.at(next_to_consume));
        waiting.erase(next_to_consume);
      }
      if (outcome.failure) std::rethrow_exception(outcome.failure);
      consume(next_to_consume, std::move(outcome.value.front()));
      const std::lock_guard<std::mutex> lock(mutex);
      ++next_to_consume;
      changed.notify_all();
    }
  } catch (...) {
    finish(workers);
    throw;
  }
  finish(workers);
}

}  // namespace muster::datastore
