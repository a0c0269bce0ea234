// annotation.json: which shards an annotation has and to which shards of the store they belong
// (docs/formats/store.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datastore/manifest.h"

namespace muster::datastore {

// One shard of an annotation.
struct AnnotationShard {
  std::string file, annotates;  // uuid of the store's shard
  uint64_t bytes = 0;
  uint32_t crc32c = 0;  // of the whole file
  int64_t frames = 0;
};

struct AnnotationIndex {
  std::string origin;  // one sentence: who found what, with what
  std::vector<AnnotationShard> shards;
};

// STORE/annotations/NAME
std::filesystem::path annotation_folder(const std::filesystem::path& store,
                                        const std::string& name);

// Throws SystemError.
void write_annotation_index(const std::filesystem::path& folder, const AnnotationIndex& index);

// Throws InputError naming the folder or the file if it is missing, damaged or of another version,
// or if it does not go shard by shard with `shards`, those of the store's manifest.
AnnotationIndex read_annotation_index(const std::filesystem::path& folder,
                                      const std::vector<ShardRecord>& shards);

// "" if that file is there and as long as the index says; otherwise what is wrong with it.
std::string annotation_size_fault(const std::filesystem::path& file, const AnnotationShard& shard);

// The same, after every byte was read: "" if the file is what the index says.
std::string annotation_shard_fault(const std::filesystem::path& file, const AnnotationShard& shard);

}  // namespace muster::datastore
