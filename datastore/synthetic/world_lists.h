// The lists that the datasets publish beside their pictures.
#pragma once

#include <filesystem>
#include <vector>

#include "datastore/synthetic/tracklet_plan.h"

namespace muster::datastore {

// info/: name lists, tracklet tables and queries of the MARS layout. Throws SystemError.
void write_mars_info(const std::filesystem::path& root, const std::vector<TrackletPlan>& plans,
                     uint64_t seed);

// Ten random halves of the people, first half test: a 10 x N table of 1-based numbers.
void write_ilids_splits(const std::filesystem::path& root, int identities, uint64_t seed);

// The same for PRID-2011, of the persons with 27 frames or more in both cameras as the dataset's
// own lists have it: as a table and as Torchreid's list of names. Nothing where fewer than half of
// the common persons are that long: a protocol of a handful would say nothing.
void write_prid_splits(const std::filesystem::path& root, const std::vector<TrackletPlan>& plans,
                       uint64_t seed);

// muster-synthetic.json: says that and how the pictures were rendered.
void write_world_note(const std::filesystem::path& root, const WorldTraits& world,
                      const PlanRequest& request, int64_t tracklets, int64_t pictures);

}  // namespace muster::datastore
