#include "trainer/feature_file.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/hdf5_handle.h"

namespace muster::trainer {
namespace fs = std::filesystem;
using common::InputError;
using namespace datastore;  // NOLINT: the HDF5 wrapper's free functions

namespace {

constexpr int64_t kFeatureFormatVersion = 1;

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

void write_content(const fs::path& path, const FeatureTable& table) {
  Hdf5Handle file = create_hdf5_file(path.string());
  const std::string name = path.string();
  const auto rows = static_cast<hsize_t>(table.rows);
  const auto features = static_cast<hsize_t>(table.features);
  const std::vector<hsize_t> shape =
      table.variants == 1
          ? std::vector<hsize_t>{rows, features}
          : std::vector<hsize_t>{rows, static_cast<hsize_t>(table.variants), features};
  {
    const Hdf5Handle dataset = create_dataset(file, "/features", H5T_IEEE_F32LE, shape);
    write_rows(dataset, H5T_NATIVE_FLOAT, 0, rows, table.values.data(), name);
  }
  write_column(file, "/identity", table.identity, name);
  write_column(file, "/camera", table.camera, name);
  write_column(file, "/role", table.role, name);
  write_attribute(file, "format_version", kFeatureFormatVersion);
  write_attribute(file, "facts", nlohmann::json(table.facts).dump());
  file.close(name);
}

bool is_own_feature_file(const fs::path& path) {
  try {
    const Hdf5Handle file = open_hdf5_file(path.string());
    return has_dataset(file, "/features") && H5Aexists(file.get(), "facts") > 0 &&
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

}  // namespace

void write_feature_file(const fs::path& path, const FeatureTable& table) {
  MUSTER_REQUIRE(static_cast<int64_t>(table.values.size()), ==,
                 table.rows * table.variants * table.features);
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
  const Hdf5Handle dataset = open_dataset(file, "/features", name);
  const std::vector<hsize_t> shape = shape_of(dataset);
  if (shape.size() != 2 && shape.size() != 3) {
    throw InputError(name, "dataset 'features' has " + std::to_string(shape.size()) +
                               " axes instead of [rows, features] or [rows, variants, features]");
  }
  if (shape.back() == 0 || shape[1] == 0) {
    throw InputError(name, "dataset 'features' has an axis of length 0: no features per row");
  }
  table.name = name;
  table.rows = static_cast<int64_t>(shape[0]);
  table.variants = shape.size() == 3 ? static_cast<int64_t>(shape[1]) : 1;
  table.features = static_cast<int64_t>(shape.back());
  table.values.resize(static_cast<size_t>(table.rows * table.variants * table.features));
  read_rows(dataset, H5T_NATIVE_FLOAT, 0, shape[0], table.values.data(), name);
  for (size_t i = 0; i < table.values.size(); ++i) {
    if (!std::isfinite(table.values[i])) {
      throw InputError(
          name, "row " +
                    std::to_string(static_cast<int64_t>(i) / (table.variants * table.features)) +
                    " of 'features' holds a value that is not finite");
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
