#include "launcher/compute_program.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "common/error.h"

namespace muster::launcher {
namespace fs = std::filesystem;

std::string compute_program_path() {
  std::error_code failure;
  const fs::path self = fs::read_symlink("/proc/self/exe", failure);
  if (failure) throw common::SystemError("/proc/self/exe", failure.message());
  return (self.parent_path().parent_path() / "libexec" / "muster-compute").string();
}

int become_compute_program(const std::string& command, const std::vector<std::string>& arguments) {
  const std::string path = compute_program_path();
  std::vector<char*> values;
  std::vector<std::string> owned = {path, command};
  owned.insert(owned.end(), arguments.begin(), arguments.end());
  for (std::string& value : owned) values.push_back(value.data());
  values.push_back(nullptr);
  ::execv(path.c_str(), values.data());
  throw common::system_call_error(path, "starting", errno);
}

}  // namespace muster::launcher
