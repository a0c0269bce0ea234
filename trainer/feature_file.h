// Signatures of tracklets in an HDF5 file (docs/formats/features.md). Other programs may write such
// files too: only `identity`, `camera`, `role` and one tensor, `features` as a rule, are demanded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::trainer {

// A tensor of the signature besides `features`.
struct FeatureTensor {
  std::vector<int64_t> shape;  // of one variant of one row; none: a number
  std::vector<float> values;   // [rows, variants, shape...]
  int64_t size() const;        // numbers in one variant of one row
};

// Tensors that stay in their file. One thread.
class StoredTensors;

// One row per tracklet.
struct FeatureTable {
  int64_t rows = 0, variants = 1, features = 0;  // features 0: the signature has no such tensor
  std::vector<float> values;                     // [rows, variants, features]
  std::map<std::string, FeatureTensor> further;  // by name
  std::vector<int32_t> identity, camera, role;   // role: datastore::Role bits
  std::map<std::string, std::string> facts;      // where they come from, for provenance
  std::string name = "features";                 // the file, for messages
  std::shared_ptr<StoredTensors> stored;         // if there, all `values` are empty and stay there

  // "features" and the names of `further`.
  std::vector<std::string> tensors() const;
  int64_t row_size(const std::string& tensor) const;  // numbers in one row, all variants
  int64_t row_bytes() const;                          // of all tensors
};

// Rows of a tensor, ascending, into `to`: [rows, variants, shape...]. Throws SystemError.
void copy_rows(const FeatureTable& table, const std::string& tensor,
               const std::vector<int64_t>& rows, float* to);

// A feature file that is written row by row. One thread.
class FeatureFileWriter {
 public:
  // `table` says rows, variants, shapes and facts; its values, identities, ... are not looked at.
  FeatureFileWriter(const std::filesystem::path& path, const FeatureTable& table);
  ~FeatureFileWriter();
  // The next `count` rows of a tensor, [count, variants, shape...].
  void append(const std::string& tensor, int64_t count, const float* values);
  // Once every tensor has all its rows: identity, camera and role of `table`. Closes the file.
  void finish(const FeatureTable& table);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Written aside and renamed. Throws SystemError naming the file.
void write_feature_file(const std::filesystem::path& path, const FeatureTable& table);

// Throws InputError, and touches nothing, if something stands at `path` that is not a feature file
// of muster's, or if its folder is missing. Removes what writers of it that died have left.
void require_replaceable_feature_file(const std::filesystem::path& path);

// Throws InputError naming the file and what is missing or does not fit. How many variants there
// are says the attribute `variants`; without it a `features` dataset of three axes, or there is
// one. Tensors of more than `memory_bytes` together are looked through and stay in the file, which
// is then open as long as a copy of the table lives.
FeatureTable read_feature_file(const std::filesystem::path& path,
                               int64_t memory_bytes = std::numeric_limits<int64_t>::max());

// The same of what was written by this process or its ranks: all tensors stay in the file, and
// nobody looks whether values are finite.
FeatureTable open_feature_file(const std::filesystem::path& path);

}  // namespace muster::trainer
