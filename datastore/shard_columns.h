// The plain columns of a shard, and the name that its content gives it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace muster::datastore {

// One entry per tracklet.
struct ShardColumns {
  std::vector<uint64_t> start;
  std::vector<uint32_t> length;
  std::vector<int32_t> identity;
  std::vector<int16_t> camera;
  std::vector<int32_t> sequence;
  std::vector<int32_t> role;
};

// The uuid that belongs to this content; `joints_crc` continues over all joints in order.
std::string content_uuid(const ShardColumns& columns, const std::vector<uint32_t>& frame_crc,
                         const std::vector<uint32_t>& flow_crc, uint32_t joints_crc,
                         const std::string& ingest_identity);

}  // namespace muster::datastore
