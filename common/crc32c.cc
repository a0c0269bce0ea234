#include "common/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace muster::common {

uint32_t crc32c(const void* bytes, size_t count, uint32_t previous) {
  constexpr size_t kMostAtATime = size_t{1} << 30;  // ISA-L counts in int
  // ISA-L does not write to what it reads, and leaves the inversions to the caller.
  auto* rest = static_cast<unsigned char*>(const_cast<void*>(bytes));
  uint32_t remainder = ~previous;
  while (count > 0) {
    const size_t part = std::min(count, kMostAtATime);
    remainder = crc32_iscsi(rest, static_cast<int>(part), remainder);
    rest += part;
    count -= part;
  }
  return ~remainder;
}

}  // namespace muster::common
