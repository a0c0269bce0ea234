#include "launcher/terminal.h"

#include <sched.h>
#include <unistd.h>

#include <iostream>

#include "monitoring/terminal_progress.h"

namespace muster::launcher {

std::unique_ptr<common::ProgressSink> terminal_progress() {
  monitoring::TerminalProgressOptions options;
  options.mode = monitoring::terminal_mode_of(STDERR_FILENO);
  return std::make_unique<monitoring::TerminalProgress>(std::cerr, options);
}

int usable_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace muster::launcher
