// Reads one shard. HDF5 is asked once, at opening, where the payloads lie; frames then come by
// pread without HDF5's global lock. A repacked (chunked, filtered) copy is read through HDF5
// instead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/image.h"
#include "datastore/shard_format.h"
#include "datastore/shard_integrity.h"

namespace muster::datastore {

// The plain columns of a shard, one entry per tracklet.
struct ShardColumns {
  std::vector<uint64_t> start;
  std::vector<uint32_t> length;
  std::vector<int32_t> identity;
  std::vector<int16_t> camera;
  std::vector<int32_t> sequence;
  std::vector<int32_t> role;
};

// Frames are rows of the shard, 0-based. Const members may be called from several threads. Every
// frame's checksum is tested when it is read; a mismatch throws SystemError naming shard and frame.
class ShardReader {
 public:
  // Throws InputError if the file is missing, unfinished, of another format version or
  // inconsistent.
  explicit ShardReader(const std::filesystem::path& path);
  ~ShardReader();
  const ShardColumns& columns() const;
  const FrameGeometry& geometry() const;
  const std::string& uuid() const;
  const std::string& ingest_identity() const;
  int64_t frame_count() const;
  // Where frames and flow lie in the file, ascending; empty for a repacked copy.
  std::vector<ByteRange> payload_ranges() const;
  bool is_repacked() const;
  // The stored bytes: a JPEG file, or RGB bytes.
  std::vector<uint8_t> read_frame_bytes(int64_t frame) const;
  Image read_image(int64_t frame) const;
  // [flow_height, flow_width, 2] counts of kFlowPixelsPerCount; requires flow.
  std::vector<int8_t> read_flow(int64_t frame) const;
  // kJointCount joints; requires joints.
  std::vector<Joint> read_joints(int64_t frame) const;
  // Reads every frame and flow field against its checksum, then columns, checksums and joints
  // against the uuid. Throws SystemError naming what does not match.
  void verify_content() const;
  // Only columns, checksums and joints against the uuid.
  void verify_index() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The uuid that belongs to this content; `joints_crc` continues over all joints in order.
std::string content_uuid(const ShardColumns& columns, const std::vector<uint32_t>& frame_crc,
                         const std::vector<uint32_t>& flow_crc, uint32_t joints_crc,
                         const std::string& ingest_identity);

}  // namespace muster::datastore
