// Whether a store is still what was written: every byte of every shard against the manifest.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/manifest.h"

namespace muster::datastore {

// kCrc32c reads at the speed of memory; kSha256 computes SHA-256 of every shard as well.
enum class VerifyDepth { kCrc32c, kSha256 };

// One line per fault, naming the shard and the bytes; empty when all is whole. The lines and their
// order do not depend on `threads`: shard by shard as the manifest lists them, by place within one.
// What cannot be read is a fault and does not end the work. Tells `progress` in MiB. Throws
// InputError if the manifest itself is missing or damaged.
std::vector<std::string> verify_store(const std::filesystem::path& store, VerifyDepth depth,
                                      common::ProgressSink& progress, int threads);

// The same for a manifest that was read already.
std::vector<std::string> verify_shards(const std::filesystem::path& store, const Manifest& manifest,
                                       VerifyDepth depth, common::ProgressSink& progress,
                                       int threads);

// Whether manifest and shards tell the same story, which no checksum shows: both may have been
// sealed again. One line per contradiction; empty when there is none. For stores whose bytes
// verify_store found whole; does not look at annotations.
std::vector<std::string> contradictions_of_store(const std::filesystem::path& store);

// verify_store in one thread, told to nobody.
std::vector<std::string> verify_store(const std::filesystem::path& store, VerifyDepth depth);

}  // namespace muster::datastore
