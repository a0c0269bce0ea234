// CRC32C as it is defined, one bit after the other: what the tests compare with.
#pragma once

#include <cstddef>
#include <cstdint>

namespace muster::common {

// Reflected polynomial 0x82F63B78.
inline uint32_t bitwise_crc32c(const void* bytes, size_t count) {
  const auto* byte = static_cast<const uint8_t*>(bytes);
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t* end = byte + count; byte < end; ++byte) {
    crc ^= *byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

}  // namespace muster::common
