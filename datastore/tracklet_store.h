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

// Which joints a store hands out: those in its shards, unless this asks for more.
struct JointSource {
  bool wanted = false;     // where the shards have none, those of the only annotation beside them
  std::string annotation;  // those of this annotation, whatever the shards have; empty: see above
};

// Const members may be called from several threads.
class TrackletStore {
 public:
  // Opens manifest, shards and what `joints` asks for, and checks that they fit together. Throws
  // InputError naming the store, the shard or the annotation, also where joints are wanted and
  // several annotations could give them, or one of them is not finite. Reads the joints that are
  // wanted, an annotation whole; no frames and no flow, see store_verification.h.
  explicit TrackletStore(const std::filesystem::path& directory, const JointSource& joints = {});
  ~TrackletStore();
  const std::filesystem::path& directory() const;
  const Manifest& manifest() const;
  const std::vector<StoredTracklet>& tracklets() const;
  Image read_image(const StoredTracklet& tracklet, int64_t frame) const;
  std::vector<uint8_t> read_frame_bytes(const StoredTracklet& tracklet, int64_t frame) const;
  std::vector<int8_t> read_flow(const StoredTracklet& tracklet, int64_t frame) const;
  std::vector<Joint> read_joints(const StoredTracklet& tracklet, int64_t frame) const;
  // Many frames into the caller's memory, as ShardReader's functions of the same names: each
  // frame's checksum is tested the first time it is read so, and then trusted.
  void read_images_into(const StoredTracklet& tracklet, const std::vector<int32_t>& frames,
                        uint8_t* rgb) const;
  void read_flow_into(const StoredTracklet& tracklet, const std::vector<int32_t>& frames,
                      int8_t* flow) const;
  void read_joints_into(const StoredTracklet& tracklet, const std::vector<int32_t>& frames,
                        Joint* joints) const;
  // Whether the joint functions may be called.
  bool has_joints() const;
  // The annotation that joints come from; empty: none, or from the shards.
  const std::string& joint_annotation() const;
  // Shards that were repacked with chunks or filters, which makes reading slow.
  int repacked_shards() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
