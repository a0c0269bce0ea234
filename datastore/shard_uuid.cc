// The uuid of a shard, from its content.
#include "common/sha256.h"
#include "datastore/shard_columns.h"

namespace muster::datastore {

std::string content_uuid(const ShardColumns& columns, const std::vector<uint32_t>& frame_crc,
                         const std::vector<uint32_t>& flow_crc, uint32_t joints_crc,
                         const std::string& ingest_identity) {
  common::Sha256 hash;
  const auto add = [&](const auto& values) {
    hash.update(values.data(), values.size() * sizeof(values[0]));
  };
  add(frame_crc);
  add(flow_crc);
  add(columns.start);
  add(columns.length);
  add(columns.identity);
  add(columns.camera);
  add(columns.sequence);
  add(columns.role);
  hash.update(&joints_crc, sizeof(joints_crc));
  hash.update(ingest_identity);
  const std::string digest = hash.finish();
  return digest.substr(0, 8) + "-" + digest.substr(8, 4) + "-" + digest.substr(12, 4) + "-" +
         digest.substr(16, 4) + "-" + digest.substr(20, 12);
}

}  // namespace muster::datastore
