#include "common/process_memory.h"

#include <malloc.h>

namespace muster::common {

void keep_freed_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);  // never
}

}  // namespace muster::common
