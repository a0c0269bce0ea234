// Whether another process of this host is alive. Any thread.
#pragma once

#include <cstdint>

namespace muster::trainer {

// A process number is given again to others; with the moment of its start it is one process's own.
struct ProcessMark {
  int64_t pid = 0;
  uint64_t start_time = 0;  // clock ticks since the host's boot
};

ProcessMark mark_of_this_process();

// False once it has ended, also while its parent has not taken notice. A stopped one is alive.
bool is_alive(const ProcessMark& process);

}  // namespace muster::trainer
