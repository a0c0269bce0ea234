#include "datastore/annotation_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "datastore/image.h"
#include "datastore/json_place.h"
#include "datastore/sealed_json.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr int kAnnotationVersion = 1;
constexpr char kIndexName[] = "annotation.json";

AnnotationShard shard_from(const JsonPlace& place) {
  AnnotationShard shard;
  shard.file = place.at("file").text();
  shard.annotates = place.at("annotates").text();
  shard.bytes = static_cast<uint64_t>(place.at("bytes").whole(0, INT64_MAX));
  shard.crc32c = static_cast<uint32_t>(place.at("crc32c").whole(0, UINT32_MAX));
  shard.frames = place.at("frames").whole(0, INT64_MAX);
  return shard;
}

AnnotationIndex index_from(const json& value, const std::string& file) {
  const JsonPlace place(value, file);
  const int64_t version = place.at("format_version").whole(0, INT64_MAX);
  if (version != kAnnotationVersion) {
    throw InputError(file,
                     "has format version " + std::to_string(version) + ", this program reads " +
                         std::to_string(kAnnotationVersion),
                     "use a newer muster");
  }
  AnnotationIndex index{place.at("origin").text(), {}};
  for (const JsonPlace& shard : place.at("shards").items()) {
    index.shards.push_back(shard_from(shard));
  }
  return index;
}

bool goes_with(const AnnotationShard& shard, const ShardRecord& record) {
  return shard.file == record.file && shard.annotates == record.uuid &&
         shard.frames == record.frames;
}

}  // namespace

fs::path annotation_folder(const fs::path& store, const std::string& name) {
  return store / "annotations" / name;
}

void write_annotation_index(const fs::path& folder, const AnnotationIndex& index) {
  json shards = json::array();
  for (const AnnotationShard& shard : index.shards) {
    shards.push_back({{"file", shard.file},
                      {"annotates", shard.annotates},
                      {"bytes", shard.bytes},
                      {"crc32c", shard.crc32c},
                      {"frames", shard.frames}});
  }
  const json value = {
      {"format_version", kAnnotationVersion}, {"origin", index.origin}, {"shards", shards}};
  write_sealed_json(folder / kIndexName, value.dump(1, ' ', false, json::error_handler_t::replace));
}

AnnotationIndex read_annotation_index(const fs::path& folder,
                                      const std::vector<ShardRecord>& shards) {
  const fs::path path = folder / kIndexName;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw InputError(folder.string(), "is not an annotation: it has no annotation.json");
  }
  AnnotationIndex index;
  try {
    index = index_from(json::parse(read_sealed_json(path)), path.string());
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("is not an annotation: ") + failure.what());
  }
  if (!std::equal(index.shards.begin(), index.shards.end(), shards.begin(), shards.end(),
                  goes_with)) {
    throw InputError(folder.string(), "belongs to another store",
                     "make the annotation again for this one, or remove it");
  }
  return index;
}

std::string annotation_size_fault(const fs::path& file, const AnnotationShard& shard) {
  std::error_code failure;
  if (!fs::is_regular_file(file, failure)) return "is missing";
  if (fs::file_size(file, failure) != shard.bytes) return "has another size than was written";
  constexpr uint64_t kFrameBytes = sizeof(Joint) * kJointCount;
  if (shard.bytes / kFrameBytes < static_cast<uint64_t>(shard.frames)) {
    return "is too short for joints of " + std::to_string(shard.frames) + " frames";
  }
  return "";
}

std::string annotation_shard_fault(const fs::path& file, const AnnotationShard& shard) {
  const std::string fault = annotation_size_fault(file, shard);
  if (!fault.empty()) return fault;
  if (crc32c_outside(file, {}) != shard.crc32c) return "differs from what was written";
  return "";
}

}  // namespace muster::datastore
