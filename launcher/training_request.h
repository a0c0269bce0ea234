// What the arguments of `muster train` ask for.
#pragma once

#include "launcher/command_line.h"
#include "trainer/training_loop.h"

namespace muster::launcher {

// The one training that --spec, --set and --store describe, with its wish to stop; its device is
// not chosen yet. Throws InputError naming the option or setting.
trainer::TrainingRequest training_request(const CommandLine& line);

}  // namespace muster::launcher
