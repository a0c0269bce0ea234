// Roles where camera 1 asks and camera 2 answers: PRID-2011, iLIDS-VID, SDU-VID and their likes.
// Identities 0 and below (distractors, junk) never take part.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "datastore/protocol.h"

namespace muster::datastore {

// Which persons take part: those with a tracklet that passes under camera 1 and under camera 2.
// Their tracklets that do not pass have no role.
struct PersonFilter {
  int32_t shortest_frames = 1;
  int32_t last_identity = std::numeric_limits<int32_t>::max();
};

// Of an odd number of persons.
enum class OddPerson { kTests, kTrains };

// Persons are shuffled by (split_seed, split): the first half trains with all tracklets, of the
// second half camera 1 queries, camera 2 is the gallery and other cameras have no role. Throws
// InputError if nobody takes part.
std::vector<int32_t> seeded_half_roles(const TrackletStore& store, const ProtocolOptions& options,
                                       const PersonFilter& filter = {},
                                       OddPerson odd = OddPerson::kTests);

// Everybody whom two cameras or more saw tests: the first of them queries, the others are the
// gallery. Throws InputError if there is nobody.
std::vector<int32_t> all_test_roles(const TrackletStore& store);

// The dataset's own halves (DatasetFacts), or nothing where it has none.
bool has_official_halves(const TrackletStore& store);
// Throws InputError if there are none, if the split is not among them, or if they name persons whom
// the store does not have under both cameras.
std::vector<int32_t> official_half_roles(const TrackletStore& store,
                                         const ProtocolOptions& options);

}  // namespace muster::datastore
