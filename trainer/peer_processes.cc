#include "trainer/peer_processes.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace muster::trainer {
namespace {

struct ProcessStatus {
  char state = 'X';
  uint64_t start_time = 0;
};

// proc(5): "pid (name) state ppid ..."; the name may hold anything, the start is field 22.
ProcessStatus status_of(int64_t pid) {
  constexpr int kFieldsBetween = 18;
  ProcessStatus status;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line) || line.rfind(')') == std::string::npos) return status;
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  fields >> status.state;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  fields >> status.start_time;
  return status;
}

}  // namespace

ProcessMark mark_of_this_process() { return {::getpid(), status_of(::getpid()).start_time}; }

bool is_alive(const ProcessMark& process) {
  const ProcessStatus status = status_of(process.pid);
  return status.start_time == process.start_time && status.state != 'Z' && status.state != 'X';
}

}  // namespace muster::trainer
