// CRC32C (Castagnoli) by Intel's ISA-L, which picks the processor's fastest instructions at run
// time and has plain C for processors without any.
#pragma once

#include <cstddef>
#include <cstdint>

namespace muster::common {

// CRC of `count` bytes; pass the CRC of the bytes before to continue one.
uint32_t crc32c(const void* bytes, size_t count, uint32_t previous = 0);

}  // namespace muster::common
