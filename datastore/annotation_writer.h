// Puts joints beside a published store, for example those that a pose network found. A published
// shard is never edited.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

// kJointCount joints of one frame, finite numbers, in pixels of the stored frame
// (datastore/image.h).
using JointsOfFrame = std::function<std::vector<Joint>(const StoredTracklet&, int64_t frame)>;

// What to do where an annotation of that name is there already.
enum class TakenName { kRefuse, kReplace };

// Makes STORE/annotations/NAME (datastore/annotation.h): writes aside, then renames the whole
// folder; one that it replaces is removed afterwards, and stays if anything fails before. `origin`
// is one sentence: who found them, with what. Throws InputError if the name is empty, begins with a
// dot, has a slash or is taken, or if a joint is not finite; SystemError if the disk fails. One
// thread; calls `joints_of` in the order of the store's shards and tracklets.
void write_joint_annotation(const TrackletStore& store, const std::string& name,
                            const std::string& origin, const JointsOfFrame& joints_of,
                            common::ProgressSink& progress, TakenName taken = TakenName::kRefuse);

}  // namespace muster::datastore
