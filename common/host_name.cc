#include "common/host_name.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/sha256.h"

namespace muster::common {

std::string host_name() {
  char name[256] = "";
  if (::gethostname(name, sizeof(name) - 1) != 0 || name[0] == 0) return "unknown";
  return name;
}

const std::string& process_place() {
  static const std::string place = [] {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    std::error_code ignored;  // without /proc the host's name must do
    const std::string processes = std::filesystem::read_symlink("/proc/self/ns/pid", ignored);
    return host_name() + "-" + sha256_of(boot + processes).substr(0, 8);
  }();
  return place;
}

}  // namespace muster::common
