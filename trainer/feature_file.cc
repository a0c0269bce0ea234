#include "trainer/feature_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
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

void demand_finite(const std::vector<float>& values, int64_t first_row, const std::string& name,
                   int64_t per_row, const std::string& path) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw InputError(path, "row " + std::to_string(first_row + static_cast<int64_t>(i) / per_row) +
                               " of '" + name + "' holds a value that is not finite");
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

// The shape alone. `rows` below 0: as many as there are, which it then says.
FeatureTensor tensor_shape(const Hdf5Handle& dataset, const std::string& name, int64_t* rows,
                           int64_t variants, const std::string& path) {
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
  if (*rows >= 0 && static_cast<int64_t>(shape[0]) != *rows) {
    throw InputError(path, "dataset '" + name + "' does not have as many rows as the others");
  }
  require_stored(dataset, shape, name, path);
  FeatureTensor tensor;
  tensor.shape.assign(shape.begin() + static_cast<long>(skipped), shape.end());
  *rows = static_cast<int64_t>(shape[0]);
  return tensor;
}

constexpr int64_t kBytesAtOnce = int64_t{16} << 20;

int64_t rows_at_once(int64_t row_size) {
  return std::max<int64_t>(1, kBytesAtOnce / (row_size * static_cast<int64_t>(sizeof(float))));
}

}  // namespace

int64_t FeatureTensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

class StoredTensors {
 public:
  StoredTensors(Hdf5Handle file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  void open(const std::string& tensor) {
    datasets_.emplace(tensor, open_dataset(file_, "/" + tensor, path_));
  }
  const Hdf5Handle& dataset(const std::string& tensor) const { return datasets_.at(tensor); }
  void read(const std::string& tensor, int64_t first, int64_t count, float* to) const {
    read_rows(dataset(tensor), H5T_NATIVE_FLOAT, static_cast<hsize_t>(first),
              static_cast<hsize_t>(count), to, path_);
  }

 private:
  const Hdf5Handle file_;
  const std::string path_;
  std::map<std::string, Hdf5Handle> datasets_;
};

std::vector<std::string> FeatureTable::tensors() const {
  std::vector<std::string> names;
  if (features > 0) names.push_back("features");
  for (const auto& [tensor, content] : further) names.push_back(tensor);
  return names;
}

int64_t FeatureTable::row_size(const std::string& tensor) const {
  return variants * (tensor == "features" ? features : further.at(tensor).size());
}

int64_t FeatureTable::row_bytes() const {
  int64_t numbers = 0;
  for (const std::string& tensor : tensors()) numbers += row_size(tensor);
  return numbers * static_cast<int64_t>(sizeof(float));
}

void copy_rows(const FeatureTable& table, const std::string& tensor,
               const std::vector<int64_t>& rows, float* to) {
  const int64_t size = table.row_size(tensor);
  const auto bytes = static_cast<size_t>(size) * sizeof(float);
  if (!table.stored) {
    const float* values =
        tensor == "features" ? table.values.data() : table.further.at(tensor).values.data();
    for (const int64_t row : rows) {
      std::memcpy(to, values + row * size, bytes);
      to += size;
    }
    return;
  }
  // One reading for rows that stand near each other.
  constexpr int64_t kGap = 32;
  const int64_t most = rows_at_once(size);
  std::vector<float> span;
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin + 1;
    while (end < rows.size() && rows[end] - rows[end - 1] <= kGap &&
           rows[end] - rows[begin] < most) {
      MUSTER_REQUIRE(rows[end - 1], <=, rows[end]);
      ++end;
    }
    const int64_t count = rows[end - 1] - rows[begin] + 1;
    if (count == static_cast<int64_t>(end - begin)) {
      table.stored->read(tensor, rows[begin], count, to);
      to += count * size;
    } else {
      span.resize(static_cast<size_t>(count * size));
      table.stored->read(tensor, rows[begin], count, span.data());
      for (size_t i = begin; i < end; ++i) {
        std::memcpy(to, span.data() + (rows[i] - rows[begin]) * size, bytes);
        to += size;
      }
    }
    begin = end;
  }
}

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
    MUSTER_REQUIRE(is_column(tensor), ==, false);
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

namespace {

// Every value once, in blocks; kept where `values` is given.
void look_through(const FeatureTable& table, const std::string& tensor,
                  std::vector<float>* values) {
  const int64_t size = table.row_size(tensor);
  const int64_t most = rows_at_once(size);
  std::vector<float> block;
  if (values != nullptr) values->reserve(static_cast<size_t>(table.rows * size));
  for (int64_t first = 0; first < table.rows; first += most) {
    const int64_t count = std::min(most, table.rows - first);
    block.resize(static_cast<size_t>(count * size));
    table.stored->read(tensor, first, count, block.data());
    demand_finite(block, first, tensor, size, table.name);
    if (values != nullptr) values->insert(values->end(), block.begin(), block.end());
  }
}

}  // namespace

FeatureTable open_feature_file(const fs::path& path) {
  const std::string name = path.string();
  const Hdf5Handle file = open_hdf5_file(name);
  FeatureTable table;
  table.name = name;
  table.variants = variant_count(file, name);
  table.rows = -1;
  table.stored = std::make_shared<StoredTensors>(open_hdf5_file(name), name);
  for (const std::string& tensor : tensor_names(file, name)) {
    const Hdf5Handle dataset = open_dataset(file, "/" + tensor, name);
    FeatureTensor shape = tensor_shape(dataset, tensor, &table.rows, table.variants, name);
    if (tensor == "features") {
      table.features = shape.size();
    } else {
      table.further.emplace(tensor, std::move(shape));
    }
    table.stored->open(tensor);
  }
  table.identity = read_column(file, "/identity", table.rows, name);
  table.camera = read_column(file, "/camera", table.rows, name);
  table.role = read_column(file, "/role", table.rows, name);
  if (H5Aexists(file.get(), "facts") > 0) {
    table.facts = facts_from(read_text_attribute(file, "facts", name), name);
  }
  return table;
}

FeatureTable read_feature_file(const fs::path& path, int64_t memory_bytes) {
  FeatureTable table = open_feature_file(path);
  const bool stays = table.row_bytes() > memory_bytes / std::max<int64_t>(1, table.rows);
  for (const std::string& tensor : table.tensors()) {
    std::vector<float>* values =
        tensor == "features" ? &table.values : &table.further.at(tensor).values;
    look_through(table, tensor, stays ? nullptr : values);
  }
  if (!stays) table.stored = nullptr;
  return table;
}

}  // namespace muster::trainer
