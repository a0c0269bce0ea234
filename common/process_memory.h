// How this process deals with memory.
#pragma once

#include <cstdint>

namespace muster::common {

// From now on freed memory stays with the process: the next tensor of a step finds its pages there,
// where by default every large tensor is mapped, cleared and given back anew. To be called before
// threads are started. Results stay the same; speed and memory do not: an idle process holds more,
// and, as no tensor has a mapping of its own (M_MMAP_MAX 0), fragmentation can raise the peak.
void keep_freed_memory();

// The most memory that this process has had resident so far, in bytes (VmHWM). Throws SystemError
// where the system does not say.
int64_t peak_resident_bytes();

}  // namespace muster::common
