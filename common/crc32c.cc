#include "common/crc32c.h"

#include <boost/crc.hpp>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

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

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_instruction(const unsigned char* bytes,
                                                              size_t count, uint32_t previous) {
  uint64_t crc = ~previous;
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; count > 0; ++bytes, --count) crc = _mm_crc32_u8(static_cast<uint32_t>(crc), *bytes);
  return ~static_cast<uint32_t>(crc);
}
#endif

}  // namespace

uint32_t crc32c_portable(const void* bytes, size_t count, uint32_t previous) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc(reflected(~previous));
  crc.process_bytes(bytes, count);
  return crc.checksum();
}

uint32_t crc32c(const void* bytes, size_t count, uint32_t previous) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) {
    return crc32c_instruction(static_cast<const unsigned char*>(bytes), count, previous);
  }
#endif
  return crc32c_portable(bytes, count, previous);
}

}  // namespace muster::common
