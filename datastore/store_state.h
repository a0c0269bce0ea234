// What already stands where an ingest is about to write.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "common/progress_sink.h"
#include "datastore/ingest.h"
#include "datastore/manifest.h"
#include "datastore/shard_plan.h"

namespace muster::datastore {

// True if `store` holds a finished store of that identity whose shards are all as its manifest
// says. False if it is missing, or holds nothing but the remains of an ingest or shards to be made
// again. Throws InputError naming it if anything else lies there.
bool finished_store_there(const std::filesystem::path& store, const std::string& identity,
                          const IngestOptions& options, common::ProgressSink& progress);

// Throws InputError naming the first shard of the plan that stands there and has another identity.
void refuse_foreign_shards(const std::filesystem::path& store, const std::string& identity,
                           const std::vector<ShardPlan>& plans);

// By file name.
using PromisedShards = std::map<std::string, ShardRecord>;

// What an earlier manifest of the store lists; empty without one.
PromisedShards promised_shards(const std::filesystem::path& store);

enum class ShardState { kMissing, kFinished, kDamaged };

// Of a shard file of this very ingest, left by a run that was cut off or written by another just
// now; read whole, and compared with what was promised if anything was. `fault` gets what is wrong
// with a damaged one. Throws InputError if it belongs to another ingest.
ShardState state_of_shard(const std::filesystem::path& path, const std::string& identity,
                          const PromisedShards& promised, std::string& fault);

}  // namespace muster::datastore
