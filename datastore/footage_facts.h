// What reports say about footage.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/dataset_reader.h"
#include "datastore/footage.h"

namespace muster::datastore {

// Who is who, as footage.h explains.
enum class IdentityRule { kHalvesOfTracks, kFilmsAreCameras, kListed };

IdentityRule identity_rule(const Footage& footage);

// `used` are the films that gave tracklets, `frames` what was decoded of them.
DatasetFacts footage_facts(const Footage& footage, const std::vector<const Film*>& used,
                           IdentityRule rule, int64_t frames);

}  // namespace muster::datastore
