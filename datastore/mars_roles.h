// Roles of MARS and of stores like it: several cameras, several tracklets of a person under each,
// distractors (identity 0) and junk (-1), and a fixed split that the store's tracklets carry.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/protocol.h"

namespace muster::datastore {

// The dataset's own split, as its publisher evaluates it: every test tracklet is gallery, queries
// too; junk is marked and stays for whoever counts the gallery. Throws InputError naming the store
// if it holds no query or no other gallery, if somebody trains and tests, or if a query has no
// identity.
std::vector<int32_t> mars_roles(const TrackletStore& store, const ProtocolOptions& options);

// The same split as Torchreid reads it: queries are not gallery, and junk has no role.
std::vector<int32_t> mars_torchreid_roles(const TrackletStore& store,
                                          const ProtocolOptions& options);

// A two-camera set drawn from all persons, whatever the fixed split: of each person seen by two or
// more cameras two cameras, and of each of them one tracklet. A random half of the persons trains;
// of the others the first camera drawn queries and the second is the gallery. Which
// tracklets of a person are drawn depends on (split_seed, split), the person's number and tracklets
// alone. Throws InputError if no person has two cameras.
std::vector<int32_t> mars_two_camera_roles(const TrackletStore& store,
                                           const ProtocolOptions& options);

}  // namespace muster::datastore
