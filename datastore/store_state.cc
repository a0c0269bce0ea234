#include "datastore/store_state.h"

#include <algorithm>
#include <set>

#include "common/error.h"
#include "common/sha256.h"
#include "datastore/directory_listing.h"
#include "datastore/ordered_parallel.h"
#include "datastore/shard_claim.h"
#include "datastore/shard_reader.h"
#include "datastore/store_mark.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

// What an ingest that died leaves behind.
bool is_remains(const std::string& name) {
  return name.rfind(".shard-", 0) == 0 || name.rfind("." + std::string(kManifestName), 0) == 0 ||
         StoreMark::is_mark(name);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for_each_entry(folder, [&](const fs::directory_entry& entry) {
    names.push_back(entry.path().filename().string());
  });
  return names;
}

InputError foreign_shard(const fs::path& path) {
  return InputError(path.string(), "belongs to other data or settings",
                    "choose another --store or remove it first");
}

}  // namespace

std::optional<Manifest> manifest_there(const fs::path& store, const std::string& identity) {
  std::error_code failure;
  if (!fs::exists(store, failure)) return std::nullopt;
  if (!fs::is_directory(store, failure)) {
    throw InputError(store.string(), "exists and is not a directory", "choose another --store");
  }
  if (fs::exists(store / kManifestName, failure)) {
    Manifest manifest = read_manifest(store);
    if (manifest.ingest_identity == identity) return manifest;
    throw InputError(store.string(), "already holds a store of other data or settings",
                     "choose another --store or remove this one first");
  }
  for (const std::string& name : names_in(store)) {
    if (name.rfind("shard-", 0) != 0 && name != "annotations" && !is_remains(name)) {
      throw InputError(store.string(), "already exists and holds '" + name + "', not a store",
                       "choose another --store");
    }
  }
  return std::nullopt;
}

void refuse_foreign_shards(const fs::path& store, const std::string& identity,
                           const std::vector<ShardPlan>& plans, const PromisedShards& promised) {
  std::error_code ignored;
  for (const ShardPlan& plan : plans) {
    const fs::path path = store / plan.file;
    // A promised one may be damaged where HDF5 trusts it; its digest will tell.
    if (promised.count(plan.file) > 0 || !fs::exists(path, ignored)) continue;
    std::string found = identity;
    try {
      found = ShardReader(path).ingest_identity();
    } catch (const common::Error&) {  // a damaged one is made again later
    }
    if (found != identity) throw foreign_shard(path);
  }
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

std::vector<uint8_t> finished_shards(const fs::path& store, const std::string& identity,
                                     const std::vector<ShardPlan>& plans,
                                     const PromisedShards& promised, int threads,
                                     common::ProgressSink& progress) {
  std::vector<uint8_t> finished(plans.size());
  std::vector<size_t> there;
  std::error_code ignored;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (fs::exists(store / plans[i].file, ignored)) there.push_back(i);
  }
  if (there.empty()) return finished;
  progress.begin("reading finished shards", "shards", static_cast<int64_t>(there.size()));
  ordered_parallel(
      there.size(), threads,
      [&](size_t i) {
        std::string fault;
        return state_of_shard(store / plans[there[i]].file, identity, promised, fault);
      },
      [&](size_t i, ShardState state) {
        finished[there[i]] = state == ShardState::kFinished ? 1 : 0;
        progress.advance(static_cast<int64_t>(i) + 1);
      });
  progress.end();
  return finished;
}

void set_damaged_shard_aside(const fs::path& shard) {
  std::error_code failure;
  if (!fs::exists(shard, failure)) return;
  fs::path aside = shard.string() + ".damaged";
  for (int number = 2; fs::exists(aside, failure); ++number) {
    aside = shard.string() + ".damaged-" + std::to_string(number);
  }
  fs::rename(shard, aside, failure);
  if (failure) throw common::system_call_error(shard.string(), "rename", failure.value());
}

void remove_remains(const fs::path& store) {
  std::set<std::string> files;
  for (const std::string& name : names_in(store)) {
    const size_t end = std::min({name.find(".tmp.", 1), name.rfind(".claim"), name.size()});
    if (name[0] == '.' && end < name.size()) files.insert(name.substr(1, end - 1));
  }
  for (const std::string& file : files) ShardClaim::remove_remains(store / file);
}

}  // namespace muster::datastore
