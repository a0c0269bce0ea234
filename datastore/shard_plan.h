// Which tracklet goes to which shard, and what the store will take: fixed before work starts, so
// that neither threads nor several processes at once change a byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"
#include "datastore/ingest.h"

namespace muster::datastore {

// Tracklets [first, last) of the list that was planned.
struct ShardPlan {
  std::string file;
  size_t first = 0, last = 0;
  int64_t frames = 0;
};

// In order; a shard is full when its payload would exceed options.shard_bytes. A tracklet is never
// divided.
std::vector<ShardPlan> plan_shards(const std::vector<TrackletDescription>& tracklets,
                                   const IngestOptions& options);

// What the shards of those tracklets will take on disk, judged by encoding some of their frames.
uint64_t estimated_bytes(const DatasetReader& dataset, const std::vector<size_t>& tracklets,
                         bool has_joints, const IngestOptions& options);

// Throws InputError naming the store if its disk has less free than `bytes`.
void require_room(const std::filesystem::path& store, uint64_t bytes);

// Bytes that may still be written to the disk of `path` or, where it does not exist yet, of the
// folder it will lie in.
uint64_t free_bytes(const std::filesystem::path& path);

// "12.3 GB", three digits.
std::string readable_bytes(uint64_t bytes);

}  // namespace muster::datastore
