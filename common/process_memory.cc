#include "common/process_memory.h"

#include <malloc.h>

#include <climits>

namespace muster::common {

void keep_freed_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

}  // namespace muster::common
