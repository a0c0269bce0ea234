// CRC32C (Castagnoli): by the processor's instruction where there is one, else by Boost.CRC.
#pragma once

#include <cstddef>
#include <cstdint>

namespace muster::common {

// CRC of `count` bytes; pass the CRC of the bytes before to continue one.
uint32_t crc32c(const void* bytes, size_t count, uint32_t previous = 0);

// The same by Boost.CRC on any processor; what the tests compare with.
uint32_t crc32c_portable(const void* bytes, size_t count, uint32_t previous = 0);

}  // namespace muster::common
