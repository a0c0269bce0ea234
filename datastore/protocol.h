// Who is train, probe and gallery. A protocol is data: a role per tracklet; ranking only applies
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/tracklet_role.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

struct ProtocolOptions {
  std::string name;         // empty: what the layout uses
  int split = 0;            // 0 to 9
  uint64_t split_seed = 1;  // of random halves
};

// One role per tracklet of the store, in its order.
//   random-half   identities seen by both cameras 1 and 2 are shuffled by (split_seed, split); the
//   first
//                 half trains, the second half tests: camera 1 queries, camera 2 gallery.
//                 Identities of one camera only take no part.
//   all-test      every identity seen by both cameras tests.
// Throws InputError for an unknown name (listing the known ones), a split outside 0 to 9, or a
// store that has no identity in both cameras.
std::vector<int32_t> assign_roles(const TrackletStore& store, const ProtocolOptions& options);

// The protocol a layout uses when none is named.
std::string default_protocol(const std::string& layout);

}  // namespace muster::datastore
