#include "common/process_memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

#include "common/error.h"

namespace muster::common {

void keep_freed_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);  // never
}

int64_t peak_resident_bytes() {
  const std::string path = "/proc/self/status", mark = "VmHWM:";
  std::ifstream status(path);
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(mark, 0) == 0) return std::stoll(line.substr(mark.size())) * 1024;
  }
  throw SystemError(path, "says no " + mark);
}

}  // namespace muster::common
