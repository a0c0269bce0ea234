#include "datastore/store_state.h"

#include "common/error.h"
#include "common/sha256.h"
#include "datastore/shard_reader.h"
#include "datastore/store_mark.h"
#include "datastore/store_verification.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

// What an ingest that died leaves behind.
bool is_remains(const std::string& name) {
  return name.rfind(".shard-", 0) == 0 || name.rfind("." + std::string(kManifestName), 0) == 0 ||
         StoreMark::is_mark(name);
}

InputError foreign_shard(const fs::path& path) {
  return InputError(path.string(), "belongs to other data or settings",
                    "choose another --store or remove it first");
}

}  // namespace

bool finished_store_there(const fs::path& store, const std::string& identity,
                          const IngestOptions& options, common::ProgressSink& progress) {
  std::error_code failure;
  if (!fs::exists(store, failure)) return false;
  if (!fs::is_directory(store, failure)) {
    throw InputError(store.string(), "exists and is not a directory", "choose another --store");
  }
  if (fs::exists(store / kManifestName, failure)) {
    const Manifest manifest = read_manifest(store);
    if (manifest.ingest_identity == identity) {
      return verify_store(store, VerifyDepth::kCrc32c, progress, options.jobs).empty();
    }
    throw InputError(store.string(), "already holds a store of other data or settings",
                     "choose another --store or remove this one first");
  }
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("shard-", 0) != 0 && name != "annotations" && !is_remains(name)) {
      throw InputError(store.string(), "already exists and holds '" + name + "', not a store",
                       "choose another --store");
    }
  }
  return false;
}

void refuse_foreign_shards(const fs::path& store, const std::string& identity,
                           const std::vector<ShardPlan>& plans) {
  std::error_code ignored;
  for (const ShardPlan& plan : plans) {
    const fs::path path = store / plan.file;
    if (!fs::exists(path, ignored)) continue;
    std::string found = identity;
    try {
      found = ShardReader(path).ingest_identity();
    } catch (const common::Error&) {  // a damaged one is made again later
    }
    if (found != identity) throw foreign_shard(path);
  }
}

PromisedShards promised_shards(const fs::path& store) {
  PromisedShards promises;
  std::error_code ignored;
  if (!fs::exists(store / kManifestName, ignored)) return promises;
  for (const ShardRecord& shard : read_manifest(store).shards) promises[shard.file] = shard;
  return promises;
}

ShardState state_of_shard(const fs::path& path, const std::string& identity,
                          const PromisedShards& promised, std::string& fault) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return ShardState::kMissing;
  const auto promise = promised.find(path.filename().string());
  if (promise != promised.end()) {
    if (common::sha256_of_file(path) == promise->second.sha256) return ShardState::kFinished;
    fault = path.string() + ": is not what the manifest says";
    return ShardState::kDamaged;
  }
  try {
    const ShardReader reader(path);
    if (reader.ingest_identity() == identity) {
      reader.verify_content();
      return ShardState::kFinished;
    }
  } catch (const common::Error& failure) {
    fault = failure.what();
    return ShardState::kDamaged;
  }
  throw foreign_shard(path);
}

}  // namespace muster::datastore
