// Signatures of tracklets in an HDF5 file (docs/formats/features.md). Other programs may write such
// files too: only `identity`, `camera`, `role` and one tensor, `features` as a rule, are demanded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace muster::trainer {

// A tensor of the signature besides `features`.
struct FeatureTensor {
  std::vector<int64_t> shape;  // of one variant of one row; none: a number
  std::vector<float> values;   // [rows, variants, shape...]
  int64_t size() const;        // numbers in one variant of one row
};

// One row per tracklet.
struct FeatureTable {
  int64_t rows = 0, variants = 1, features = 0;  // features 0: the signature has no such tensor
  std::vector<float> values;                     // [rows, variants, features]
  std::map<std::string, FeatureTensor> further;  // by name
  std::vector<int32_t> identity, camera, role;   // role: datastore::Role bits
  std::map<std::string, std::string> facts;      // where they come from, for provenance
  std::string name = "features";                 // the file, for messages
};

// Written aside and renamed. Throws SystemError naming the file.
void write_feature_file(const std::filesystem::path& path, const FeatureTable& table);

// Throws InputError, and touches nothing, if something stands at `path` that is not a feature file
// of muster's, or if its folder is missing. Removes what writers of it that died have left.
void require_replaceable_feature_file(const std::filesystem::path& path);

// Throws InputError naming the file and what is missing or does not fit. How many variants there
// are says the attribute `variants`; without it a `features` dataset of three axes, or there is
// one.
FeatureTable read_feature_file(const std::filesystem::path& path);

}  // namespace muster::trainer
