#include "trainer/feature_file.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/hdf5_handle.h"

namespace muster::trainer {
namespace fs = std::filesystem;
using common::InputError;
using namespace datastore;  // NOLINT: the HDF5 wrapper's free functions

namespace {

constexpr int64_t kFeatureFormatVersion = 1;

bool is_column(const std::string& name) {
  return name == "identity" || name == "camera" || name == "role";
}

void write_column(const Hdf5Handle& file, const std::string& name,
                  const std::vector<int32_t>& values, const std::string& path) {
  const Hdf5Handle dataset = create_dataset(file, name, H5T_STD_I32LE, {values.size()});
  write_rows(dataset, H5T_NATIVE_INT32, 0, values.size(), values.data(), path);
}

std::vector<int32_t> read_column(const Hdf5Handle& file, const std::string& name, int64_t rows,
                                 const std::string& path) {
  const Hdf5Handle dataset = open_dataset(file, name, path);
  const std::vector<hsize_t> shape = shape_of(dataset);
  if (shape.size() != 1 || static_cast<int64_t>(shape[0]) != rows) {
    throw InputError(path, "dataset '" + name + "' does not have one entry per row of 'features'");
  }
  std::vector<int32_t> values(shape[0]);
  read_rows(dataset, H5T_NATIVE_INT32, 0, shape[0], values.data(), path);
  return values;
}

// [rows, (variants,) shape...]: one variant has no axis.
std::vector<hsize_t> stored_shape(const FeatureTable& table, const std::vector<int64_t>& shape) {
  std::vector<hsize_t> stored = {static_cast<hsize_t>(table.rows)};
  if (table.variants != 1) stored.push_back(static_cast<hsize_t>(table.variants));
  for (const int64_t length : shape) stored.push_back(static_cast<hsize_t>(length));
  return stored;
}

void write_tensor(const Hdf5Handle& file, const std::string& name, const FeatureTable& table,
                  const std::vector<int64_t>& shape, const std::vector<float>& values,
                  const std::string& path) {
  const Hdf5Handle dataset =
      create_dataset(file, "/" + name, H5T_IEEE_F32LE, stored_shape(table, shape));
  write_rows(dataset, H5T_NATIVE_FLOAT, 0, static_cast<hsize_t>(table.rows), values.data(), path);
}

nlohmann::json names_of_tensors(const FeatureTable& table) {
  nlohmann::json names = nlohmann::json::array();
  if (table.features > 0) names.push_back("features");
  for (const auto& [name, content] : table.further) names.push_back(name);
  return names;
}

void write_content(const fs::path& path, const FeatureTable& table) {
  Hdf5Handle file = create_hdf5_file(path.string());
  const std::string name = path.string();
  if (table.features > 0) {
    write_tensor(file, "features", table, {table.features}, table.values, name);
  }
  for (const auto& [tensor, content] : table.further) {
    write_tensor(file, tensor, table, content.shape, content.values, name);
  }
  write_column(file, "/identity", table.identity, name);
  write_column(file, "/camera", table.camera, name);
  write_column(file, "/role", table.role, name);
  write_attribute(file, "format_version", kFeatureFormatVersion);
  if (!table.further.empty()) {
    write_attribute(file, "variants", table.variants);
    write_attribute(file, "tensors", names_of_tensors(table).dump());
  }
  write_attribute(file, "facts", nlohmann::json(table.facts).dump());
  file.close(name);
}

bool is_own_feature_file(const fs::path& path) {
  try {
    const Hdf5Handle file = open_hdf5_file(path.string());
    return has_dataset(file, "/identity") && H5Aexists(file.get(), "facts") > 0 &&
           read_integer_attribute(file, "format_version", path.string()) == kFeatureFormatVersion;
  } catch (const common::Error&) {
    return false;
  }
}

// Strings as they are, numbers as their JSON text.
std::map<std::string, std::string> facts_from(const std::string& text, const std::string& path) {
  const auto object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object()) throw InputError(path, "attribute 'facts' is not a JSON object");
  std::map<std::string, std::string> facts;
  for (const auto& [key, value] : object.items()) {
    facts[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return facts;
}

// Which datasets of the root are tensors of the signature: what the attribute `tensors` lists, and
// `features` alone without it.
std::vector<std::string> tensor_names(const Hdf5Handle& file, const std::string& path) {
  if (H5Aexists(file.get(), "tensors") <= 0) return {"features"};
  const std::string text = read_text_attribute(file, "tensors", path);
  const auto list = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> names;
  for (const auto& item : list) {
    if (!list.is_array() || !item.is_string() || is_column(item.get<std::string>())) break;
    names.push_back(item.get<std::string>());
  }
  if (names.empty() || names.size() != list.size()) {
    throw InputError(path, "attribute 'tensors' is not a JSON list of names of datasets");
  }
  return names;
}

// Of the attribute, or of a `features` dataset of three axes.
int64_t variant_count(const Hdf5Handle& file, const std::string& path) {
  if (H5Aexists(file.get(), "variants") <= 0) {
    if (!has_dataset(file, "/features")) return 1;
    const std::vector<hsize_t> shape = shape_of(open_dataset(file, "/features", path));
    return shape.size() == 3 ? static_cast<int64_t>(shape[1]) : 1;
  }
  const int64_t variants = read_integer_attribute(file, "variants", path);
  if (variants < 1) throw InputError(path, "attribute 'variants' is not positive");
  return variants;
}

void demand_finite(const FeatureTensor& tensor, const std::string& name, int64_t per_row,
                   const std::string& path) {
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    if (std::isfinite(tensor.values[i])) continue;
    throw InputError(path, "row " + std::to_string(static_cast<int64_t>(i) / per_row) + " of '" +
                               name + "' holds a value that is not finite");
  }
}

// That a shape is one that the file can hold the values of, before any memory is asked for them:
// filters of HDF5 pack a thousand values into the place of one at most.
void require_stored(const Hdf5Handle& dataset, const std::vector<hsize_t>& shape,
                    const std::string& name, const std::string& path) {
  constexpr hsize_t kMostPacked = 1100;
  const hsize_t stored_bytes = H5Dget_storage_size(dataset.get());
  const hsize_t most_values = std::min(stored_bytes, (hsize_t{1} << 50)) * kMostPacked;
  hsize_t left = most_values;
  for (const hsize_t length : shape) {
    if (length == 0) return;
    left /= length;
  }
  if (left > 0) return;
  std::string axes;
  for (const hsize_t length : shape) {
    axes += (axes.empty() ? "" : ", ") + std::to_string(length);
  }
  throw InputError(path, "dataset '" + name + "' says it has the shape [" + axes +
                             "], but the file holds " + std::to_string(stored_bytes) +
                             " bytes of it");
}

// `rows` below 0: as many as there are.
FeatureTensor read_tensor(const Hdf5Handle& file, const std::string& name, int64_t rows,
                          int64_t variants, const std::string& path) {
  const Hdf5Handle dataset = open_dataset(file, "/" + name, path);
  const std::vector<hsize_t> shape = shape_of(dataset);
  const size_t leading = variants == 1 ? 1 : 2;  // axes before the tensor's own
  const bool features = name == "features";
  const bool one_of_one = features && variants == 1 && shape.size() == 3 && shape[1] == 1;
  const size_t skipped = one_of_one ? 2 : leading;
  if (shape.size() < skipped || (features && shape.size() != skipped + 1)) {
    throw InputError(path, "dataset '" + name + "' has " + std::to_string(shape.size()) +
                               " axes instead of [rows, " + name + "] or [rows, variants, " + name +
                               "]");
  }
  for (size_t axis = 1; axis < shape.size(); ++axis) {
    if (shape[axis] > 0) continue;
    throw InputError(path,
                     "dataset '" + name + "' has an axis of length 0: no " + name + " per row");
  }
  if (skipped == 2 && static_cast<int64_t>(shape[1]) != variants) {
    throw InputError(path, "dataset '" + name + "' does not have the file's " +
                               std::to_string(variants) + " variants as its second axis");
  }
  if (rows >= 0 && static_cast<int64_t>(shape[0]) != rows) {
    throw InputError(path, "dataset '" + name + "' does not have as many rows as the others");
  }
  require_stored(dataset, shape, name, path);
  FeatureTensor tensor;
  tensor.shape.assign(shape.begin() + static_cast<long>(skipped), shape.end());
  const int64_t per_row = variants * tensor.size();
  tensor.values.resize(shape[0] * static_cast<size_t>(per_row));
  read_rows(dataset, H5T_NATIVE_FLOAT, 0, shape[0], tensor.values.data(), path);
  demand_finite(tensor, name, per_row, path);
  return tensor;
}

}  // namespace

int64_t FeatureTensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

void write_feature_file(const fs::path& path, const FeatureTable& table) {
  MUSTER_REQUIRE(static_cast<int64_t>(table.values.size()), ==,
                 table.rows * table.variants * table.features);
  MUSTER_REQUIRE(table.features > 0 || !table.further.empty(), ==, true);
  for (const auto& [tensor, content] : table.further) {
    MUSTER_REQUIRE(is_column(tensor) || tensor == "features", ==, false);
    MUSTER_REQUIRE(static_cast<int64_t>(content.values.size()), ==,
                   table.rows * table.variants * content.size());
  }
  MUSTER_REQUIRE(static_cast<int64_t>(table.identity.size()), ==, table.rows);
  MUSTER_REQUIRE(static_cast<int64_t>(table.camera.size()), ==, table.rows);
  MUSTER_REQUIRE(static_cast<int64_t>(table.role.size()), ==, table.rows);
  common::write_aside(path, [&](const fs::path& file) { write_content(file, table); });
}

void require_replaceable_feature_file(const fs::path& path) {
  std::error_code ignored;
  const fs::path folder = fs::absolute(path).parent_path();
  if (!fs::is_directory(folder, ignored)) {
    throw InputError(folder.string(), "no such directory", "make it first");
  }
  if (fs::is_directory(path, ignored)) {
    throw InputError(path.string(), "is a directory, not a file", "name a file in it");
  }
  if (fs::exists(path, ignored) && !is_own_feature_file(path)) {
    throw InputError(path.string(), "already exists and is not a feature file of muster's",
                     "choose another --features or move it away");
  }
  common::remove_stale_temporaries(path);
}

FeatureTable read_feature_file(const fs::path& path) {
  const std::string name = path.string();
  const Hdf5Handle file = open_hdf5_file(name);
  FeatureTable table;
  table.name = name;
  table.variants = variant_count(file, name);
  table.rows = -1;
  for (const std::string& tensor : tensor_names(file, name)) {
    FeatureTensor content = read_tensor(file, tensor, table.rows, table.variants, name);
    table.rows = static_cast<int64_t>(content.values.size()) / (table.variants * content.size());
    if (tensor == "features") {
      table.features = content.size();
      table.values = std::move(content.values);
    } else {
      table.further.emplace(tensor, std::move(content));
    }
  }
  table.identity = read_column(file, "/identity", table.rows, name);
  table.camera = read_column(file, "/camera", table.rows, name);
  table.role = read_column(file, "/role", table.rows, name);
  if (H5Aexists(file.get(), "facts") > 0) {
    table.facts = facts_from(read_text_attribute(file, "facts", name), name);
  }
  return table;
}

}  // namespace muster::trainer
