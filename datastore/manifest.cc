#include "datastore/manifest.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/json_place.h"
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

// Beyond these no number is believed.
constexpr int64_t kMostCount = int64_t{1} << 40, kMostBytes = int64_t{1} << 50;

std::vector<ByteRange> payloads_from(const JsonPlace& place, int64_t shard_bytes) {
  std::vector<ByteRange> payloads;
  int64_t end = 0;  // of the one before
  for (const JsonPlace& item : place.items()) {
    const std::vector<JsonPlace> range = item.items();
    if (range.size() != 2) item.refuse("not [offset, bytes]");
    const int64_t offset = range[0].whole(end, shard_bytes);
    const int64_t bytes = range[1].whole(1, shard_bytes - offset);
    payloads.push_back({static_cast<uint64_t>(offset), static_cast<uint64_t>(bytes)});
    end = offset + bytes;
  }
  return payloads;
}

std::string sha256_from(const JsonPlace& place) {
  std::string digits = place.text();
  if (digits.size() != 64 || digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    place.refuse("not 64 hexadecimal digits");
  }
  return digits;
}

ShardRecord shard_from(const JsonPlace& place, size_t number) {
  ShardRecord shard;
  shard.file = place.at("file").text();
  // The only name that a writer gives: none outside the store's folder, and none twice.
  const std::string name = shard_file_name(number);
  if (shard.file != name) place.at("file").refuse("not \"" + name + "\"");
  const int64_t bytes = place.at("bytes").whole(1, kMostBytes);
  shard.bytes = static_cast<uint64_t>(bytes);
  shard.uuid = place.at("uuid").text();
  shard.sha256 = sha256_from(place.at("sha256"));
  for (const JsonPlace& crc : place.at("crc32c").items()) {
    shard.crc32c.push_back(static_cast<uint32_t>(crc.whole(0, UINT32_MAX)));
  }
  if (shard.crc32c.size() != (shard.bytes + kChecksumBlockBytes - 1) / kChecksumBlockBytes) {
    place.at("bytes").refuse("but crc32c has " + std::to_string(shard.crc32c.size()) +
                             " checksums, one per MiB");
  }
  shard.payloads = payloads_from(place.at("payloads"), bytes);
  shard.outside_crc32c = static_cast<uint32_t>(place.at("outside_crc32c").whole(0, UINT32_MAX));
  shard.tracklets = place.at("tracklets").whole(1, kMostCount);
  shard.frames = place.at("frames").whole(shard.tracklets, kMostCount);
  return shard;
}

FrameGeometry geometry_from(const JsonPlace& place) {
  FrameGeometry geometry;
  geometry.height = static_cast<int>(place.at("frame_height").whole(1, kMostPixelsAcross));
  geometry.width = static_cast<int>(place.at("frame_width").whole(1, kMostPixelsAcross));
  geometry.flow_height = static_cast<int>(place.at("flow_height").whole(0, kMostPixelsAcross));
  const bool flow = geometry.flow_height > 0;
  geometry.flow_width =
      static_cast<int>(place.at("flow_width").whole(flow ? 1 : 0, flow ? kMostPixelsAcross : 0));
  const std::string encoding = place.at("encoding").text();
  for (const FrameEncoding known : {FrameEncoding::kJpeg, FrameEncoding::kRaw}) {
    if (encoding == encoding_name(known)) geometry.encoding = known;
  }
  if (encoding != encoding_name(geometry.encoding)) place.at("encoding").refuse("not jpeg or raw");
  geometry.has_joints = place.at("joints").truth();
  return geometry;
}

// Ascending, no one twice.
std::vector<int32_t> identities_from(const JsonPlace& place) {
  std::vector<int32_t> identities;
  for (const JsonPlace& item : place.items()) {
    const int64_t lowest = identities.empty() ? INT32_MIN : int64_t{identities.back()} + 1;
    identities.push_back(static_cast<int32_t>(item.whole(lowest, INT32_MAX)));
  }
  return identities;
}

DatasetFacts facts_from(const JsonPlace& place) {
  DatasetFacts facts;
  facts.layout = place.at("layout").text();
  facts.synthetic = place.at("synthetic").truth();
  facts.origin = place.at("origin").text();
  facts.split_identities = identities_from(place.at("split_identities"));
  for (const JsonPlace& split : place.at("test_identities").items()) {
    facts.test_identities.push_back(identities_from(split));
    const std::vector<int32_t>& tests = facts.test_identities.back();
    if (!std::includes(facts.split_identities.begin(), facts.split_identities.end(), tests.begin(),
                       tests.end())) {
      split.refuse("which names persons who are not in split_identities");
    }
  }
  return facts;
}

// The totals, once all shards are known.
void read_totals(const JsonPlace& place, Manifest& manifest) {
  int64_t tracklets = 0, frames = 0;
  for (const ShardRecord& shard : manifest.shards) {
    tracklets += shard.tracklets;
    frames += shard.frames;
  }
  const auto total = [&](const char* name, int64_t of_shards) {
    const int64_t count = place.at(name).whole(1, INT64_MAX);
    if (count != of_shards) {
      place.at(name).refuse("but the shards have " + std::to_string(of_shards));
    }
    return count;
  };
  manifest.tracklets = total("tracklets", tracklets);
  manifest.frames = total("frames", frames);
  manifest.identities = place.at("identities").whole(1, tracklets);
  manifest.cameras = place.at("cameras").whole(1, tracklets);
}

Manifest manifest_from(const JsonPlace& place) {
  Manifest m;
  m.facts = facts_from(place);
  m.ingest_identity = place.at("ingest_identity").text();
  m.geometry = geometry_from(place);
  m.whole_pixel_flow = place.at("whole_pixel_flow").truth();
  for (const JsonPlace& thing : place.at("left_out").items()) {
    m.left_out.push_back({thing.at("name").text(), thing.at("reason").text()});
  }
  for (const JsonPlace& shard : place.at("shards").items()) {
    m.shards.push_back(shard_from(shard, m.shards.size()));
  }
  read_totals(place, m);
  return m;
}

}  // namespace

std::string shard_file_name(size_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "shard-%05zu.h5", number);
  return name;
}

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
    const JsonPlace place(value, path.string());
    const int64_t version = place.at("format_version").whole(0, INT64_MAX);
    if (version != kManifestVersion) {
      throw InputError(path.string(),
                       "has format version " + std::to_string(version) + ", this program reads " +
                           std::to_string(kManifestVersion),
                       "use a newer muster");
    }
    return manifest_from(place);
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("is not a manifest: ") + failure.what());
  }
}

std::string manifest_hash(const fs::path& store) {
  return common::sha256_of(common::read_file(store / kManifestName));
}

}  // namespace muster::datastore
