#include "datastore/tracklet_store.h"

#include "common/error.h"
#include "datastore/shard_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

struct TrackletStore::State {
  fs::path directory;
  Manifest manifest;
  std::vector<std::unique_ptr<ShardReader>> shards;
  std::vector<StoredTracklet> tracklets;

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

}  // namespace

TrackletStore::TrackletStore(const fs::path& directory) : state_(std::make_unique<State>()) {
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
    const ShardColumns& columns = shard->columns();
    for (size_t i = 0; i < columns.start.size(); ++i) {
      s.tracklets.push_back({columns.identity[i], columns.camera[i], columns.sequence[i],
                             static_cast<int32_t>(columns.length[i]), columns.role[i],
                             static_cast<int32_t>(s.shards.size()),
                             static_cast<int64_t>(columns.start[i])});
    }
    s.shards.push_back(std::move(shard));
  }
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
  return state_->shard_of(tracklet, frame).read_joints(tracklet.first_frame + frame);
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
  state_->shard_of(tracklet, frames).read_joints_into(tracklet.first_frame, frames, joints);
}

int TrackletStore::repacked_shards() const {
  int count = 0;
  for (const auto& shard : state_->shards) count += shard->is_repacked() ? 1 : 0;
  return count;
}

}  // namespace muster::datastore
