// Small rendered datasets in the layouts of the real ones, for trying and testing muster.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/progress_sink.h"

namespace muster::datastore {

struct SyntheticWorldOptions {
  std::string world;             // one of synthetic_world_names()
  std::filesystem::path output;  // becomes the dataset's root folder; must not hold anything yet
  int identities = 0;            // 0: the world's default
  int frames = 0;                // mean length of a tracklet; 0: the world's default
  uint64_t seed = 1;
  int jobs = 1;  // threads; never changes a byte
};

std::vector<std::string> synthetic_world_names();

// Renders beside `output` and renames at the end: on failure nothing is left. Same options, same
// bytes. Throws InputError for an unknown world, numbers out of range or an output that holds
// something, SystemError for what the disk refuses. Progress is told from the calling thread.
void render_synthetic_world(const SyntheticWorldOptions& options, common::ProgressSink& progress);

}  // namespace muster::datastore
