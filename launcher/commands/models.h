// What the source files of `muster models` share.
#pragma once

#include "launcher/command_line.h"

namespace muster::launcher {

// One pass of a network over tensors of a file, to compare with another implementation.
int forward_network(const CommandLine& line);

}  // namespace muster::launcher
