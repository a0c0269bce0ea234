// Signatures of tracklets in an HDF5 file (docs/formats/features.md). Other programs may write such
// files too: only `features`, `identity`, `camera` and `role` are demanded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace muster::trainer {

// One row per tracklet.
struct FeatureTable {
  int64_t rows = 0, variants = 1, features = 0;
  std::vector<float> values;                    // [rows, variants, features]
  std::vector<int32_t> identity, camera, role;  // role: datastore::Role bits
  std::map<std::string, std::string> facts;     // where they come from, for provenance
  std::string name = "features";                // the file, for messages
};

// Written aside and renamed. Throws SystemError naming the file.
void write_feature_file(const std::filesystem::path& path, const FeatureTable& table);

// Throws InputError, and touches nothing, if something stands at `path` that is not a feature file
// of muster's, or if its folder is missing. Removes what writers of it that died have left.
void require_replaceable_feature_file(const std::filesystem::path& path);

// Throws InputError naming the file and what is missing or does not fit. A `features` dataset of
// two axes [rows, features] has one variant.
FeatureTable read_feature_file(const std::filesystem::path& path);

}  // namespace muster::trainer
