// manifest.json of a store (docs/formats/store.md): what the store is, and size, uuid, SHA-256 and
// CRC32C per MiB of every shard. The file ends in a SHA-256 of its own bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"
#include "datastore/shard_format.h"
#include "datastore/shard_integrity.h"

namespace muster::datastore {

constexpr char kManifestName[] = "manifest.json";
constexpr uint64_t kChecksumBlockBytes = 1 << 20;

struct ShardRecord {
  std::string file;  // name inside the store's directory
  uint64_t bytes = 0;
  std::string uuid, sha256;
  std::vector<uint32_t> crc32c;  // one per kChecksumBlockBytes, the last block may be short
  // Where frames and flow lie, ascending, and the CRC32C over all the rest.
  std::vector<ByteRange> payloads;
  uint32_t outside_crc32c = 0;
  int64_t tracklets = 0, frames = 0;
};

struct Manifest {
  DatasetFacts facts;
  FrameGeometry geometry;
  bool whole_pixel_flow = false;  // rounded as the original preprocessing did
  std::string ingest_identity;    // SHA-256 over settings and sources
  int64_t tracklets = 0, frames = 0, identities = 0, cameras = 0;
  std::vector<LeftOut> left_out;  // under --on-error skip, with the reason
  std::vector<ShardRecord> shards;
};

// "shard-00042.h5"; every writer names the shards of a store so, counted from 0.
std::string shard_file_name(size_t number);

// SHA-256 and checksums of a finished shard file whose payloads lie there.
ShardRecord describe_shard_file(const std::filesystem::path& path, std::vector<ByteRange> payloads);

// Throws SystemError; an older manifest stays until the new one is whole.
void write_manifest(const std::filesystem::path& store, const Manifest& manifest);

// Throws InputError naming the file if it is missing, damaged or of another version, and the field
// if that is not of its kind or contradicts another: names that no writer gives, sums that are
// none, payloads that overlap or leave their shard, splits that test people who are not split.
Manifest read_manifest(const std::filesystem::path& store);

// SHA-256 of the manifest file: the identity of the store's content.
std::string manifest_hash(const std::filesystem::path& store);

}  // namespace muster::datastore
