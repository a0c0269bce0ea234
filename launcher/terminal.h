// Progress on standard error for every command.
#pragma once

#include <memory>

#include "common/progress_sink.h"

namespace muster::launcher {

std::unique_ptr<common::ProgressSink> terminal_progress();

// Cores this process may use.
int usable_cores();

}  // namespace muster::launcher
