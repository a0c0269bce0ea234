// One bit per frame that many threads set and test: which frames have been checked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster::datastore {

// has() and set() may be called from several threads. Two threads may both find a bit missing and
// both do the work; nothing else is published through a bit.
class FrameMarks {
 public:
  // Forgets all; not beside other calls.
  void resize(size_t frames) { words_ = std::vector<std::atomic<uint64_t>>((frames + 63) / 64); }
  bool has(size_t frame) const {
    return ((words_[frame / 64].load(std::memory_order_relaxed) >> (frame % 64)) & 1) != 0;
  }
  void set(size_t frame) {
    words_[frame / 64].fetch_or(uint64_t{1} << (frame % 64), std::memory_order_relaxed);
  }

 private:
  std::vector<std::atomic<uint64_t>> words_;
};

}  // namespace muster::datastore
