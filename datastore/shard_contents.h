// What a shard's file holds, asked of HDF5 once, at opening: columns and checksums in memory, and
// where the payloads lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datastore/shard_columns.h"
#include "datastore/shard_format.h"
#include "datastore/shard_payload.h"

namespace muster::datastore {

struct ShardContents {
  std::string path;
  std::string uuid, ingest_identity;
  FrameGeometry geometry;
  ShardColumns columns;
  // JPEG: bytes, frame i is rows jpeg_offset[i] to jpeg_offset[i + 1]. Raw: a row per frame.
  ShardPayload frames;
  std::vector<uint64_t> jpeg_offset;
  ShardPayload flow, joints;            // a row per frame, or no rows
  std::vector<uint32_t> crc, flow_crc;  // per frame; flow_crc is empty without flow

  bool is_jpeg() const { return geometry.encoding == FrameEncoding::kJpeg; }
  bool has_flow() const { return geometry.flow_height > 0; }
  // As they are stored.
  uint64_t frame_bytes(size_t row) const {
    return is_jpeg() ? jpeg_offset[row + 1] - jpeg_offset[row] : frames.row_bytes();
  }
};

// Nothing in the result points beyond anything else, whoever wrote the file: tracklets stay within
// the frames, offsets within the bytes, every payload has one row per frame and the size that
// `geometry` tells. Throws InputError if the file is missing, unfinished, of another format version
// or inconsistent. Whether it is what was once written, only checksums tell.
ShardContents read_shard_contents(const std::filesystem::path& path);

// Only that the file is a finished shard of a format version that read_shard_contents reads; throws
// as that does. Reads attributes alone.
void demand_readable_format(const std::filesystem::path& path);

}  // namespace muster::datastore
