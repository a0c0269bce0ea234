#include "datastore/manifest.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/sealed_json.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr int kManifestVersion = 2;

std::string encoding_name(FrameEncoding encoding) {
  return encoding == FrameEncoding::kJpeg ? "jpeg" : "raw";
}

json to_json(const ShardRecord& shard) {
  json payloads = json::array();
  for (const ByteRange& payload : shard.payloads) {
    payloads.push_back({payload.offset, payload.bytes});
  }
  return {{"file", shard.file},
          {"bytes", shard.bytes},
          {"uuid", shard.uuid},
          {"sha256", shard.sha256},
          {"crc32c", shard.crc32c},
          {"payloads", payloads},
          {"outside_crc32c", shard.outside_crc32c},
          {"tracklets", shard.tracklets},
          {"frames", shard.frames}};
}

json to_json(const Manifest& m) {
  json shards = json::array();
  for (const ShardRecord& shard : m.shards) shards.push_back(to_json(shard));
  json left_out = json::array();
  for (const LeftOut& thing : m.left_out) {
    left_out.push_back({{"name", thing.name}, {"reason", thing.reason}});
  }
  return {{"format_version", kManifestVersion},
          {"layout", m.facts.layout},
          {"synthetic", m.facts.synthetic},
          {"origin", m.facts.origin},
          {"ingest_identity", m.ingest_identity},
          {"frame_height", m.geometry.height},
          {"frame_width", m.geometry.width},
          {"flow_height", m.geometry.flow_height},
          {"flow_width", m.geometry.flow_width},
          {"encoding", encoding_name(m.geometry.encoding)},
          {"whole_pixel_flow", m.whole_pixel_flow},
          {"joints", m.geometry.has_joints},
          {"tracklets", m.tracklets},
          {"frames", m.frames},
          {"identities", m.identities},
          {"cameras", m.cameras},
          {"left_out", left_out},
          {"test_identities", m.facts.test_identities},
          {"split_identities", m.facts.split_identities},
          {"shards", shards}};
}

ShardRecord shard_from_json(const json& value) {
  ShardRecord shard;
  value.at("file").get_to(shard.file);
  value.at("bytes").get_to(shard.bytes);
  value.at("uuid").get_to(shard.uuid);
  value.at("sha256").get_to(shard.sha256);
  value.at("crc32c").get_to(shard.crc32c);
  for (const json& payload : value.at("payloads")) {
    shard.payloads.push_back({payload.at(0), payload.at(1)});
  }
  value.at("outside_crc32c").get_to(shard.outside_crc32c);
  value.at("tracklets").get_to(shard.tracklets);
  value.at("frames").get_to(shard.frames);
  return shard;
}

Manifest manifest_from_json(const json& value) {
  Manifest m;
  value.at("layout").get_to(m.facts.layout);
  value.at("synthetic").get_to(m.facts.synthetic);
  value.at("origin").get_to(m.facts.origin);
  value.at("ingest_identity").get_to(m.ingest_identity);
  value.at("frame_height").get_to(m.geometry.height);
  value.at("frame_width").get_to(m.geometry.width);
  value.at("flow_height").get_to(m.geometry.flow_height);
  value.at("flow_width").get_to(m.geometry.flow_width);
  m.geometry.encoding = value.at("encoding") == "jpeg" ? FrameEncoding::kJpeg : FrameEncoding::kRaw;
  value.at("joints").get_to(m.geometry.has_joints);
  value.at("whole_pixel_flow").get_to(m.whole_pixel_flow);
  value.at("tracklets").get_to(m.tracklets);
  value.at("frames").get_to(m.frames);
  value.at("identities").get_to(m.identities);
  value.at("cameras").get_to(m.cameras);
  for (const json& thing : value.at("left_out")) {
    m.left_out.push_back({thing.at("name"), thing.at("reason")});
  }
  value.at("test_identities").get_to(m.facts.test_identities);
  value.at("split_identities").get_to(m.facts.split_identities);
  for (const json& shard : value.at("shards")) m.shards.push_back(shard_from_json(shard));
  return m;
}

}  // namespace

ShardRecord describe_shard_file(const fs::path& path, std::vector<ByteRange> payloads) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw common::SystemError(path.string(), "cannot be opened");
  ShardRecord record;
  record.file = path.filename().string();
  common::Sha256 hash;
  std::vector<char> block(kChecksumBlockBytes);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    const auto count = static_cast<size_t>(in.gcount());
    record.bytes += count;
    record.crc32c.push_back(common::crc32c(block.data(), count));
    hash.update(block.data(), count);
  }
  if (in.bad()) throw common::SystemError(path.string(), "cannot be read to its end");
  record.sha256 = hash.finish();
  record.payloads = std::move(payloads);
  record.outside_crc32c = crc32c_outside(path, record.payloads);
  return record;
}

void write_manifest(const fs::path& store, const Manifest& manifest) {
  write_sealed_json(store / kManifestName,
                    to_json(manifest).dump(1, ' ', false, json::error_handler_t::replace));
}

Manifest read_manifest(const fs::path& store) {
  const fs::path path = store / kManifestName;
  std::error_code ignored;
  if (!fs::is_directory(store, ignored)) {
    throw InputError(store.string(), "is not a store: no such directory",
                     "make one with muster ingest");
  }
  if (!fs::exists(path, ignored)) {
    throw InputError(store.string(), "is not a finished store: it has no manifest.json",
                     "run the ingest command (again)");
  }
  try {
    const json value = json::parse(read_sealed_json(path));
    if (value.at("format_version") != kManifestVersion) {
      throw InputError(path.string(),
                       "has format version " + value.at("format_version").dump() +
                           ", this program reads " + std::to_string(kManifestVersion),
                       "use a newer muster");
    }
    return manifest_from_json(value);
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("is not a manifest: ") + failure.what());
  }
}

std::string manifest_hash(const fs::path& store) {
  return common::sha256_of(common::read_file(store / kManifestName));
}

}  // namespace muster::datastore
