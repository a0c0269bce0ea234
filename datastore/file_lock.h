// Advisory locks by which processes, also of other machines, tell each other what they work on.
#pragma once

#include "common/file_descriptor.h"

namespace muster::datastore {

// `kind` as flock(2) takes it. False only if somebody else's lock stands against it: where the file
// system has no locks, every one is granted.
bool lock_file(const common::Descriptor& file, int kind);

}  // namespace muster::datastore
