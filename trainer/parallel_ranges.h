// A range of rows, shared by threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "datastore/ordered_parallel.h"

namespace muster::trainer {

// Calls work(begin, end) for stretches of equal length that cover [0, count), in `threads` threads;
// the calling thread does it all where that is one. Exceptions are rethrown.
template <typename Work>
void for_ranges(int64_t count, int threads, const Work& work) {
  if (threads == 1 || count <= 1) {
    if (count > 0) work(int64_t{0}, count);
    return;
  }
  const int64_t parts = std::min<int64_t>(threads, count);
  datastore::ordered_parallel(
      static_cast<size_t>(parts), threads,
      [&](size_t part) {
        const auto i = static_cast<int64_t>(part);
        work(count * i / parts, count * (i + 1) / parts);
        return 0;
      },
      [](size_t, int) {});
}

}  // namespace muster::trainer
