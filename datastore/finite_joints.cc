#include "datastore/finite_joints.h"

#include <cmath>
#include <numeric>

#include "common/error.h"
#include "datastore/annotation_index.h"

namespace muster::datastore {
namespace {

[[noreturn]] void refuse(const TrackletStore& store, size_t number, size_t joint) {
  const StoredTracklet& tracklet = store.tracklets()[number];
  const std::string& annotation = store.joint_annotation();
  const std::filesystem::path folder =
      annotation.empty() ? store.directory() : annotation_folder(store.directory(), annotation);
  const std::string& file = store.manifest().shards[static_cast<size_t>(tracklet.shard)].file;
  throw common::InputError(
      (folder / file).string(),
      "tracklet " + std::to_string(number + 1) + " (identity " + std::to_string(tracklet.identity) +
          ", camera " + std::to_string(tracklet.camera) + "), frame " +
          std::to_string(joint / kJointCount + 1) + ": joint " +
          std::to_string(joint % kJointCount + 1) + " is not finite",
      annotation.empty() ? "ingest it again" : "make the annotation again, or remove it");
}

}  // namespace

bool is_finite(const Joint& joint) {
  return std::isfinite(joint.x) && std::isfinite(joint.y) && std::isfinite(joint.confidence);
}

void demand_finite_joints(const TrackletStore& store) {
  std::vector<int32_t> frames;
  std::vector<Joint> joints;
  for (size_t number = 0; number < store.tracklets().size(); ++number) {
    const StoredTracklet& tracklet = store.tracklets()[number];
    frames.resize(static_cast<size_t>(tracklet.length));
    std::iota(frames.begin(), frames.end(), 0);
    joints.resize(frames.size() * kJointCount);
    store.read_joints_into(tracklet, frames, joints.data());
    for (size_t joint = 0; joint < joints.size(); ++joint) {
      if (!is_finite(joints[joint])) refuse(store, number, joint);
    }
  }
}

}  // namespace muster::datastore
