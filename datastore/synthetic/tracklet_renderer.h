// Renders the frames and joints of one tracklet.
#pragma once

#include <filesystem>
#include <functional>

#include "datastore/synthetic/tracklet_plan.h"

namespace muster::datastore {

// Writes below `root`. Depends on the arguments alone. Calls `frame_done` after each frame;
// rendering stops early, with frames missing, once it returns false. Throws SystemError.
void render_tracklet(const WorldTraits& world, uint64_t seed, const TrackletPlan& plan,
                     const std::filesystem::path& root, const std::function<bool()>& frame_done);

}  // namespace muster::datastore
