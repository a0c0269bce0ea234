// What goes wrong around a writer: a disk that fills up, a process that died halfway.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/atomic_file.h"

namespace muster::common {

// For its lifetime no file may grow beyond `bytes`; writing more fails with EFBIG, as on a full
// disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

// As temporary_name_beside, but by a process that is gone.
inline std::filesystem::path temporary_of_dead_process(const std::filesystem::path& path) {
  const pid_t child = ::fork();
  if (child == 0) std::_Exit(0);
  ::waitpid(child, nullptr, 0);
  std::string name = temporary_name_beside(path).string();
  const std::string own = "." + std::to_string(::getpid()) + ".";
  return name.replace(name.rfind(own), own.size(), "." + std::to_string(child) + ".");
}

}  // namespace muster::common
