// Writes one shard file (docs/formats/shard.md) from tracklets that arrive in their final order.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"
#include "datastore/shard_format.h"

namespace muster::datastore {

// A tracklet ready to be stored. Outer vectors have one entry per frame.
struct EncodedTracklet {
  TrackletDescription description;
  std::vector<std::vector<uint8_t>> frames;  // JPEG files, or [height, width, 3] RGB bytes
  std::vector<std::vector<int8_t>> flow;     // [flow_height, flow_width, 2], empty without flow
  std::vector<Joint> joints;                 // [frames * kJointCount], or empty
};

// One thread at a time; where HDF5 allows threads, publish() may run in another than append() did
// while a further writer is at work. The file appears under its final name only through publish();
// destroyed before that, the writer removes what it wrote. Throws SystemError naming the shard when
// the disk fails or fills.
class ShardWriter {
 public:
  // `total_frames` and `total_tracklets` are exact. `ingest_identity` is kept as an attribute, so
  // that a continued ingest knows its own finished shards.
  ShardWriter(const std::filesystem::path& path, const FrameGeometry& geometry,
              int64_t total_tracklets, int64_t total_frames, const std::string& ingest_identity);
  ~ShardWriter();
  void append(const EncodedTracklet& tracklet);
  // Writes columns and attributes, closes, syncs, reads everything back against the checksums,
  // calls `make_way` with the final path, renames. Returns the uuid, a function of the content
  // alone.
  std::string publish(void (*make_way)(const std::filesystem::path& path) = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
