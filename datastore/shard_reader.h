// Reads one shard. HDF5 is asked once, at opening, where the payloads lie; frames then are copied
// out of the mapped file without HDF5's global lock. A repacked (chunked, filtered) copy is read
// through HDF5 instead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/image.h"
#include "datastore/shard_columns.h"
#include "datastore/shard_format.h"
#include "datastore/shard_integrity.h"

namespace muster::datastore {

// Frames are rows of the shard, 0-based. Const members may be called from several threads. A
// frame's checksum is tested whenever read_frame_bytes, read_image or read_flow read it, and by the
// ..._into functions when this object first reads it that way: later reads trust the page cache, so
// that training runs at memory speed after its first epoch. A mismatch throws SystemError naming
// shard and frame.
class ShardReader {
 public:
  // Throws as read_shard_contents does.
  explicit ShardReader(const std::filesystem::path& path);
  ~ShardReader();
  const ShardColumns& columns() const;
  const FrameGeometry& geometry() const;
  const std::string& uuid() const;
  const std::string& ingest_identity() const;
  int64_t frame_count() const;
  // Where frames and flow lie in the file, ascending; empty for a repacked copy.
  std::vector<ByteRange> payload_ranges() const;
  // The stored bytes: a JPEG file, or RGB bytes.
  std::vector<uint8_t> read_frame_bytes(int64_t frame) const;
  Image read_image(int64_t frame) const;
  // [flow_height, flow_width, 2] counts of kFlowPixelsPerCount; requires flow.
  std::vector<int8_t> read_flow(int64_t frame) const;
  // kJointCount joints; requires joints.
  std::vector<Joint> read_joints(int64_t frame) const;
  // The rows first + frames[i], each into its place of memory that the caller owns; consecutive
  // rows come by one read. Nothing is allocated per frame. What the target holds after a throw is
  // not specified. [frames, height, width, 3], decoded. A JPEG of another size throws SystemError.
  void read_images_into(int64_t first, const std::vector<int32_t>& frames, uint8_t* rgb) const;
  // [frames, flow_height, flow_width, 2]; requires flow.
  void read_flow_into(int64_t first, const std::vector<int32_t>& frames, int8_t* flow) const;
  // [frames, kJointCount]; requires joints, which have no checksum per frame.
  void read_joints_into(int64_t first, const std::vector<int32_t>& frames, Joint* joints) const;
  // True for a copy that was repacked with chunks or filters: it is read through HDF5, slower.
  bool is_repacked() const;
  // Reads every frame and flow field against its checksum, then columns, checksums and joints
  // against the uuid. Throws SystemError naming what does not match.
  void verify_content() const;
  // Only columns, checksums and joints against the uuid.
  void verify_index() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
