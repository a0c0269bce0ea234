// A finished store opened for reading: all shards as one list of tracklets.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/image.h"
#include "datastore/manifest.h"

namespace muster::datastore {

// Where a tracklet of the store is. `frame` arguments below count from 0 within the tracklet.
struct StoredTracklet {
  int32_t identity = 0;
  int16_t camera = 0;
  int32_t sequence = 0;
  int32_t length = 0;  // frames
  int32_t role = 0;    // Role bits of the dataset's own fixed split
  int32_t shard = 0;
  int64_t first_frame = 0;  // row in the shard
};

// Const members may be called from several threads.
class TrackletStore {
 public:
  // Opens manifest and shards and checks that they fit together. Throws InputError naming the store
  // or the shard. Does not read payloads; see store_verification.h.
  explicit TrackletStore(const std::filesystem::path& directory);
  ~TrackletStore();
  const std::filesystem::path& directory() const;
  const Manifest& manifest() const;
  const std::vector<StoredTracklet>& tracklets() const;
  // Copies with chunks or filters (h5repack): right, but read through HDF5 and slower.
  const std::vector<std::filesystem::path>& repacked_shards() const;
  Image read_image(const StoredTracklet& tracklet, int64_t frame) const;
  std::vector<uint8_t> read_frame_bytes(const StoredTracklet& tracklet, int64_t frame) const;
  std::vector<int8_t> read_flow(const StoredTracklet& tracklet, int64_t frame) const;
  std::vector<Joint> read_joints(const StoredTracklet& tracklet, int64_t frame) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
