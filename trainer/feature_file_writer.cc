#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/hdf5_handle.h"
#include "trainer/feature_file.h"
#include "trainer/stored_tensors.h"

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

// [rows, (variants,) shape...]: one variant has no axis.
std::vector<hsize_t> stored_shape(const FeatureTable& table, const std::vector<int64_t>& shape) {
  std::vector<hsize_t> stored = {static_cast<hsize_t>(table.rows)};
  if (table.variants != 1) stored.push_back(static_cast<hsize_t>(table.variants));
  for (const int64_t length : shape) stored.push_back(static_cast<hsize_t>(length));
  return stored;
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

}  // namespace

struct FeatureFileWriter::State {
  Hdf5Handle file;
  std::string path;
  std::map<std::string, Hdf5Handle> datasets;
  std::map<std::string, int64_t> written;  // rows
  int64_t rows = 0;
};

FeatureFileWriter::FeatureFileWriter(const fs::path& path, const FeatureTable& table)
    : state_(std::make_unique<State>()) {
  MUSTER_REQUIRE(table.tensors().empty(), ==, false);
  state_->path = path.string();
  state_->rows = table.rows;
  state_->file = create_hdf5_file(state_->path);
  for (const std::string& tensor : table.tensors()) {
    MUSTER_REQUIRE(is_feature_column(tensor), ==, false);
    const std::vector<int64_t> shape = tensor == "features" ? std::vector<int64_t>{table.features}
                                                            : table.further.at(tensor).shape;
    state_->datasets.emplace(tensor, create_dataset(state_->file, "/" + tensor, H5T_IEEE_F32LE,
                                                    stored_shape(table, shape)));
  }
  write_attribute(state_->file, "format_version", kFeatureFormatVersion);
  if (!table.further.empty()) {
    write_attribute(state_->file, "variants", table.variants);
    write_attribute(state_->file, "tensors", nlohmann::json(table.tensors()).dump());
  }
  write_attribute(state_->file, "facts", nlohmann::json(table.facts).dump());
}

FeatureFileWriter::~FeatureFileWriter() = default;

void FeatureFileWriter::append(const std::string& tensor, int64_t count, const float* values) {
  int64_t& written = state_->written[tensor];
  write_rows(state_->datasets.at(tensor), H5T_NATIVE_FLOAT, static_cast<hsize_t>(written),
             static_cast<hsize_t>(count), values, state_->path);
  written += count;
}

void FeatureFileWriter::finish(const FeatureTable& table) {
  for (const auto& [tensor, dataset] : state_->datasets) {
    MUSTER_REQUIRE(state_->written[tensor], ==, state_->rows);
  }
  for (const auto* column : {&table.identity, &table.camera, &table.role}) {
    MUSTER_REQUIRE(static_cast<int64_t>(column->size()), ==, state_->rows);
  }
  write_column(state_->file, "/identity", table.identity, state_->path);
  write_column(state_->file, "/camera", table.camera, state_->path);
  write_column(state_->file, "/role", table.role, state_->path);
  state_->datasets.clear();
  state_->file.close(state_->path);
}

void write_feature_file(const fs::path& path, const FeatureTable& table) {
  MUSTER_REQUIRE(static_cast<int64_t>(table.values.size()), ==,
                 table.rows * table.variants * table.features);
  for (const auto& [tensor, content] : table.further) {
    MUSTER_REQUIRE(tensor == "features", ==, false);
    MUSTER_REQUIRE(static_cast<int64_t>(content.values.size()), ==,
                   table.rows * table.variants * content.size());
  }
  common::write_aside(path, [&](const fs::path& file) {
    FeatureFileWriter writer(file, table);
    for (const std::string& tensor : table.tensors()) {
      const auto& values = tensor == "features" ? table.values : table.further.at(tensor).values;
      writer.append(tensor, table.rows, values.data());
    }
    writer.finish(table);
  });
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

}  // namespace muster::trainer
