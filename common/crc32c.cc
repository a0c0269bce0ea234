#include "common/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <boost/crc.hpp>

namespace muster::common {
namespace {

// Boost wants the running remainder in unreflected form.
uint32_t reflected(uint32_t value) {
  uint32_t result = 0;
  for (int bit = 0; bit < 32; ++bit) {
    result = (result << 1) | (value & 1);
    value >>= 1;
  }
  return result;
}

}  // namespace

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

uint32_t crc32c_portable(const void* bytes, size_t count, uint32_t previous) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc(reflected(~previous));
  crc.process_bytes(bytes, count);
  return crc.checksum();
}

}  // namespace muster::common
