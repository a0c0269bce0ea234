// What already stands where an ingest is about to write.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/manifest.h"
#include "datastore/shard_plan.h"

namespace muster::datastore {

// The manifest of a finished store of that identity. Nothing if `store` is missing or holds nothing
// but the remains of an ingest. Throws InputError naming it if anything else lies there.
std::optional<Manifest> manifest_there(const std::filesystem::path& store,
                                       const std::string& identity);

// By file name.
using PromisedShards = std::map<std::string, ShardRecord>;

// Throws InputError naming the first shard of the plan that stands there, was not promised and has
// another identity.
void refuse_foreign_shards(const std::filesystem::path& store, const std::string& identity,
                           const std::vector<ShardPlan>& plans, const PromisedShards& promised);

enum class ShardState { kMissing, kFinished, kDamaged };

// Of a shard file of this very ingest, left by a run that was cut off or written by another just
// now; read whole, and compared with what was promised if anything was. `fault` gets what is wrong
// with a damaged one. Throws InputError if it belongs to another ingest.
ShardState state_of_shard(const std::filesystem::path& path, const std::string& identity,
                          const PromisedShards& promised, std::string& fault);

// For each shard of the plan whether it stands there finished; others may publish some meanwhile.
std::vector<uint8_t> finished_shards(const std::filesystem::path& store,
                                     const std::string& identity,
                                     const std::vector<ShardPlan>& plans,
                                     const PromisedShards& promised, int threads,
                                     common::ProgressSink& progress);

// Renames a shard, if it is there, so that a new one can take its place.
void set_damaged_shard_aside(const std::filesystem::path& shard);

// Removes what writers of shards and manifest left when they died.
void remove_remains(const std::filesystem::path& store);

}  // namespace muster::datastore
