#include "datastore/tracklet_store.h"

#include <algorithm>
#include <optional>
#include <set>

#include "common/error.h"
#include "datastore/annotation.h"
#include "datastore/finite_joints.h"
#include "datastore/shard_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

struct TrackletStore::State {
  fs::path directory;
  Manifest manifest;
  std::vector<std::unique_ptr<ShardReader>> shards;
  std::vector<StoredTracklet> tracklets;
  std::string annotation_name;
  std::optional<JointAnnotation> annotation;  // hides the shards' joints

  // Where the tracklet lies; it must have these frames.
  const ShardReader& shard_of(const StoredTracklet& tracklet, int64_t frame) const;
  const ShardReader& shard_of(const StoredTracklet& tracklet,
                              const std::vector<int32_t>& frames) const;
};

namespace {

// Readers reserve memory for the sizes that the manifest states, and take raw frames to have them.
void demand_geometry(const FrameGeometry& shard, const FrameGeometry& manifest,
                     const fs::path& path) {
  if (shard.height == manifest.height && shard.width == manifest.width &&
      shard.flow_height == manifest.flow_height && shard.flow_width == manifest.flow_width &&
      shard.has_joints == manifest.has_joints && shard.encoding == manifest.encoding) {
    return;
  }
  throw InputError(path.string(), "has other frames than the manifest says",
                   "do not mix shards of different stores");
}

// What the manifest promises and only the shards can keep.
void demand_counts(const ShardReader& shard, const ShardRecord& record, const fs::path& path) {
  const auto tracklets = static_cast<int64_t>(shard.columns().start.size());
  if (tracklets == record.tracklets && shard.frame_count() == record.frames) return;
  throw InputError(path.string(),
                   "has " + std::to_string(tracklets) + " tracklets and " +
                       std::to_string(shard.frame_count()) + " frames, manifest.json says " +
                       std::to_string(record.tracklets) + " and " + std::to_string(record.frames),
                   "do not mix shards of different stores");
}

void demand_totals(const std::vector<StoredTracklet>& tracklets, const Manifest& manifest,
                   const fs::path& directory) {
  std::set<int32_t> identities;
  std::set<int16_t> cameras;
  for (const StoredTracklet& tracklet : tracklets) {
    identities.insert(tracklet.identity);
    cameras.insert(tracklet.camera);
  }
  const auto demand = [&](const std::string& field, size_t found, int64_t promised) {
    if (static_cast<int64_t>(found) == promised) return;
    throw InputError((directory / kManifestName).string(),
                     field + " is " + std::to_string(promised) + ", but the shards have " +
                         std::to_string(found),
                     "restore it from a copy");
  };
  demand("identities", identities.size(), manifest.identities);
  demand("cameras", cameras.size(), manifest.cameras);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Empty: joints are those of the shards, or none.
std::string chosen_annotation(const fs::path& store, const JointSource& source,
                              bool shards_have_joints) {
  if (source.annotation.empty() && (!source.wanted || shards_have_joints)) return "";
  const std::vector<std::string> names = annotation_names(store);
  const bool known = std::find(names.begin(), names.end(), source.annotation) != names.end();
  if (known) return source.annotation;
  if (!source.annotation.empty()) {
    throw InputError(store.string(), "has no annotation '" + source.annotation + "'",
                     names.empty() ? "it has none at all" : "it has " + listed(names));
  }
  if (names.size() > 1) {
    throw InputError(store.string(), "has joints in several annotations: " + listed(names),
                     "say which one");
  }
  return names.empty() ? "" : names.front();
}

}  // namespace

TrackletStore::TrackletStore(const fs::path& directory, const JointSource& joints)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.directory = directory;
  s.manifest = read_manifest(directory);
  for (const ShardRecord& record : s.manifest.shards) {
    const fs::path path = directory / record.file;
    const bool as_written = is_as_written(path, record);
    auto shard = std::make_unique<ShardReader>(path);
    if (!as_written) shard->verify_index();
    if (shard->uuid() != record.uuid) {
      throw InputError(path.string(), "is not the shard that the manifest lists",
                       "do not mix shards of different stores");
    }
    demand_geometry(shard->geometry(), s.manifest.geometry, path);
    demand_counts(*shard, record, path);
    const ShardColumns& columns = shard->columns();
    for (size_t i = 0; i < columns.start.size(); ++i) {
      s.tracklets.push_back({columns.identity[i], columns.camera[i], columns.sequence[i],
                             static_cast<int32_t>(columns.length[i]), columns.role[i],
                             static_cast<int32_t>(s.shards.size()),
                             static_cast<int64_t>(columns.start[i])});
    }
    s.shards.push_back(std::move(shard));
  }
  demand_totals(s.tracklets, s.manifest, directory);
  s.annotation_name = chosen_annotation(directory, joints, s.manifest.geometry.has_joints);
  if (!s.annotation_name.empty()) {
    s.annotation.emplace(directory, s.manifest.shards, s.annotation_name);
  }
  if (has_joints() && (joints.wanted || s.annotation)) demand_finite_joints(*this);
}

TrackletStore::~TrackletStore() = default;
const fs::path& TrackletStore::directory() const { return state_->directory; }
const Manifest& TrackletStore::manifest() const { return state_->manifest; }
const std::vector<StoredTracklet>& TrackletStore::tracklets() const { return state_->tracklets; }

const ShardReader& TrackletStore::State::shard_of(const StoredTracklet& tracklet,
                                                  int64_t frame) const {
  MUSTER_REQUIRE(frame, >=, 0);
  MUSTER_REQUIRE(frame, <, int64_t{tracklet.length});
  return *shards[static_cast<size_t>(tracklet.shard)];
}

const ShardReader& TrackletStore::State::shard_of(const StoredTracklet& tracklet,
                                                  const std::vector<int32_t>& frames) const {
  for (const int32_t frame : frames) shard_of(tracklet, frame);
  return *shards[static_cast<size_t>(tracklet.shard)];
}

Image TrackletStore::read_image(const StoredTracklet& tracklet, int64_t frame) const {
  return state_->shard_of(tracklet, frame).read_image(tracklet.first_frame + frame);
}

std::vector<uint8_t> TrackletStore::read_frame_bytes(const StoredTracklet& tracklet,
                                                     int64_t frame) const {
  return state_->shard_of(tracklet, frame).read_frame_bytes(tracklet.first_frame + frame);
}

std::vector<int8_t> TrackletStore::read_flow(const StoredTracklet& tracklet, int64_t frame) const {
  return state_->shard_of(tracklet, frame).read_flow(tracklet.first_frame + frame);
}

std::vector<Joint> TrackletStore::read_joints(const StoredTracklet& tracklet, int64_t frame) const {
  std::vector<Joint> joints(kJointCount);
  read_joints_into(tracklet, {static_cast<int32_t>(frame)}, joints.data());
  return joints;
}

void TrackletStore::read_images_into(const StoredTracklet& tracklet,
                                     const std::vector<int32_t>& frames, uint8_t* rgb) const {
  state_->shard_of(tracklet, frames).read_images_into(tracklet.first_frame, frames, rgb);
}

void TrackletStore::read_flow_into(const StoredTracklet& tracklet,
                                   const std::vector<int32_t>& frames, int8_t* flow) const {
  state_->shard_of(tracklet, frames).read_flow_into(tracklet.first_frame, frames, flow);
}

void TrackletStore::read_joints_into(const StoredTracklet& tracklet,
                                     const std::vector<int32_t>& frames, Joint* joints) const {
  const ShardReader& shard = state_->shard_of(tracklet, frames);
  if (state_->annotation) {
    state_->annotation->read_joints_into(static_cast<size_t>(tracklet.shard), tracklet.first_frame,
                                         frames, joints);
  } else {
    shard.read_joints_into(tracklet.first_frame, frames, joints);
  }
}

bool TrackletStore::has_joints() const {
  return state_->annotation.has_value() || state_->manifest.geometry.has_joints;
}

const std::string& TrackletStore::joint_annotation() const { return state_->annotation_name; }

int TrackletStore::repacked_shards() const {
  int count = 0;
  for (const auto& shard : state_->shards) count += shard->is_repacked() ? 1 : 0;
  return count;
}

}  // namespace muster::datastore
