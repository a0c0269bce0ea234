#include "tests/fakes/in_process_communicator.h"

#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>

#include "common/error.h"
#include "trainer/element_bytes.h"

namespace muster::trainer {
namespace {

using Bytes = std::vector<char>;

// What every rank brought to one collective call.
struct Call {
  std::string signature;  // operation, type, counts: the same on every rank
  std::vector<Bytes> brought;
  int arrived = 0, left = 0;
};

// A rank's n-th call on a channel meets the other ranks' n-th calls on it.
using Place = std::pair<std::string, int64_t>;  // channel, n

// Where the ranks meet.
class Rendezvous {
 public:
  explicit Rendezvous(int size) : size_(size) {}
  int size() const { return size_; }

  void arrive(const Place& place, int rank, const std::string& signature, Bytes bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Call& call = calls_[place];
    if (call.arrived == 0) {
      call.signature = signature;
      call.brought.resize(static_cast<size_t>(size_));
    }
    MUSTER_REQUIRE(signature, ==, call.signature);
    call.brought[static_cast<size_t>(rank)] = std::move(bytes);
    if (++call.arrived == size_) changed_.notify_all();
  }

  // Waits for all ranks and gives `use` what they brought, in rank order.
  template <typename Use>
  void meet(const Place& place, int rank, const Use& use) {
    std::unique_lock<std::mutex> lock(mutex_);
    Call& call = calls_.at(place);
    changed_.wait(lock, [&] { return failed_ || call.arrived == size_; });
    if (call.arrived < size_) {
      throw common::SystemError("rank " + std::to_string(rank),
                                call.signature + " failed: another rank is gone");
    }
    use(call.brought);
    if (++call.left == size_) calls_.erase(place);
  }

  // Remembers the first failure and wakes whoever waits.
  void fail(std::exception_ptr failure) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!failed_) failure_ = std::move(failure);
    failed_ = true;
    changed_.notify_all();
  }
  std::exception_ptr failure() const { return failure_; }

 private:
  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Place, Call> calls_;
  bool failed_ = false;
  std::exception_ptr failure_;
};

Bytes bytes_of(const void* data, int64_t count, ElementType type) {
  Bytes bytes(static_cast<size_t>(count) * element_bytes(type));
  if (!bytes.empty()) std::memcpy(bytes.data(), data, bytes.size());
  return bytes;
}

template <typename T>
void add_elements(const char* from, int64_t count, char* to) {
  for (int64_t i = 0; i < count; ++i) {
    T left, right;
    std::memcpy(&left, to + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    std::memcpy(&right, from + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    left = static_cast<T>(left + right);
    std::memcpy(to + static_cast<size_t>(i) * sizeof(T), &left, sizeof(T));
  }
}

void add(const char* from, int64_t count, ElementType type, char* to) {
  switch (type) {
    case ElementType::kFloat32:
      return add_elements<float>(from, count, to);
    case ElementType::kFloat64:
      return add_elements<double>(from, count, to);
    case ElementType::kInt64:
      return add_elements<int64_t>(from, count, to);
    case ElementType::kByte:
      return add_elements<uint8_t>(from, count, to);
  }
}

// Elements [first, first + count) summed over what the ranks brought.
void write_sum(const std::vector<Bytes>& brought, int64_t first, int64_t count, ElementType type,
               void* target) {
  const size_t offset = static_cast<size_t>(first) * element_bytes(type);
  Bytes sum(static_cast<size_t>(count) * element_bytes(type), 0);
  for (const Bytes& part : brought) add(part.data() + offset, count, type, sum.data());
  if (!sum.empty()) std::memcpy(target, sum.data(), sum.size());
}

std::string described(const char* operation, const std::vector<int64_t>& counts, ElementType type) {
  std::string text = operation;
  text += " of type " + std::to_string(static_cast<int>(type)) + " and counts";
  for (const int64_t count : counts) text += " " + std::to_string(count);
  return text;
}

class PendingSum : public PendingOperation {
 public:
  explicit PendingSum(std::function<void()> finish) : finish_(std::move(finish)) {}
  void wait() override { finish_(); }

 private:
  std::function<void()> finish_;
};

class InProcessCommunicator : public Communicator {
 public:
  InProcessCommunicator(Rendezvous& rendezvous, int rank, std::string channel)
      : rendezvous_(rendezvous), rank_(rank), channel_(std::move(channel)) {}
  int rank() const override { return rank_; }
  int size() const override { return rendezvous_.size(); }

  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    const Place call =
        arrive(described("all_reduce", {count}, type), bytes_of(buffer, count, type));
    return std::make_unique<PendingSum>([this, call, buffer, count, type] {
      rendezvous_.meet(call, rank_, [&](const std::vector<Bytes>& brought) {
        write_sum(brought, 0, count, type, buffer);
      });
    });
  }

  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    const Place call =
        arrive(described("all_gather", counts, type), bytes_of(local, own(counts), type));
    rendezvous_.meet(call, rank_, [&](const std::vector<Bytes>& brought) {
      auto* target = static_cast<char*>(all);
      for (const Bytes& part : brought) target = std::copy(part.begin(), part.end(), target);
    });
  }

  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    const int64_t first = std::accumulate(counts.begin(), counts.begin() + rank_, int64_t{0});
    const Place call =
        arrive(described("reduce_scatter", counts, type), bytes_of(all, total, type));
    rendezvous_.meet(call, rank_, [&](const std::vector<Bytes>& brought) {
      write_sum(brought, first, own(counts), type, local);
    });
  }

  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    MUSTER_REQUIRE(root, <, size());
    const Place call = arrive(described("broadcast", {root, count}, type),
                              bytes_of(buffer, rank_ == root ? count : 0, type));
    rendezvous_.meet(call, rank_, [&](const std::vector<Bytes>& brought) {
      const Bytes& sent = brought[static_cast<size_t>(root)];
      std::copy(sent.begin(), sent.end(), static_cast<char*>(buffer));
    });
  }

  void barrier() override {
    const Place call = arrive("barrier", {});
    rendezvous_.meet(call, rank_, [](const std::vector<Bytes>&) {});
  }

  std::unique_ptr<Communicator> duplicate() override {
    const std::string channel = channel_ + "." + std::to_string(duplicates_++);
    return std::make_unique<InProcessCommunicator>(rendezvous_, rank_, channel);
  }

  [[noreturn]] void abort(int exit_code) override { throw AbortRequested(exit_code); }

 private:
  Place arrive(const std::string& signature, Bytes bytes) {
    const Place call(channel_, calls_++);
    rendezvous_.arrive(call, rank_, signature, std::move(bytes));
    return call;
  }
  int64_t own(const std::vector<int64_t>& counts) const {
    MUSTER_REQUIRE(static_cast<int>(counts.size()), ==, size());
    return counts[static_cast<size_t>(rank_)];
  }

  Rendezvous& rendezvous_;
  const int rank_;
  const std::string channel_;
  int64_t calls_ = 0, duplicates_ = 0;
};

}  // namespace

AbortRequested::AbortRequested(int code)
    : std::runtime_error("abort with exit code " + std::to_string(code)), exit_code(code) {}

void run_ranks(int size, const std::function<void(Communicator&)>& body) {
  MUSTER_REQUIRE(size, >, 0);
  Rendezvous rendezvous(size);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back([&rendezvous, &body, rank] {
      InProcessCommunicator communicator(rendezvous, rank, "world");
      try {
        body(communicator);
      } catch (...) {
        rendezvous.fail(std::current_exception());
      }
    });
  }
  for (std::thread& thread : ranks) thread.join();
  if (rendezvous.failure()) std::rethrow_exception(rendezvous.failure());
}

}  // namespace muster::trainer
