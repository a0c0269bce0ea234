// Memory for whole batches: on large pages where the kernel has them, and not zeroed before it is
// filled. Copying from the page cache into small pages costs a fifth more here.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

namespace muster::datastore {

template <typename T>
struct LargePageAllocator {
  using value_type = T;
  LargePageAllocator() = default;
  template <typename U>
  LargePageAllocator(const LargePageAllocator<U>&) {}

  T* allocate(size_t count) {
    constexpr size_t kLargePage = size_t{2} << 20;
    const size_t bytes = count * sizeof(T);
    if (bytes < kLargePage) return static_cast<T*>(::operator new(bytes));
    const size_t rounded = (bytes + kLargePage - 1) / kLargePage * kLargePage;
    void* memory = std::aligned_alloc(kLargePage, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    ::madvise(memory, rounded, MADV_HUGEPAGE);  // only advice: nothing is lost without
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) {
    if (count * sizeof(T) < size_t{2} << 20) {
      ::operator delete(memory);
    } else {
      std::free(memory);
    }
  }
  // What resize() adds holds anything.
  template <typename U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
  bool operator==(const LargePageAllocator&) const { return true; }
  bool operator!=(const LargePageAllocator&) const { return false; }
};

// A vector whose resize() leaves new elements unset.
template <typename T>
using LargeBuffer = std::vector<T, LargePageAllocator<T>>;

}  // namespace muster::datastore
