#include "trainer/feature_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/number_text.h"
#include "datastore/hdf5_handle.h"
#include "trainer/stored_tensors.h"

namespace muster::trainer {
namespace fs = std::filesystem;
using common::InputError;
using namespace datastore;  // NOLINT: the HDF5 wrapper's free functions

namespace {

// Converted to 32 bits by HDF5 itself, numbers that do not fit would become other ones.
int32_t whole_number(double value, hsize_t row, const std::string& name, const std::string& path) {
  const bool fits = value >= std::numeric_limits<int32_t>::min() &&
                    value <= std::numeric_limits<int32_t>::max() && value == std::floor(value);
  if (fits) return static_cast<int32_t>(value);
  throw InputError(path,
                   "row " + std::to_string(row) + " of '" + name + "' holds " +
                       common::number_text(value) + ", not a whole number of 32 bits",
                   "number people and cameras anew");
}

std::vector<int32_t> read_column(const Hdf5Handle& file, const std::string& name, int64_t rows,
                                 const std::string& path) {
  const Hdf5Handle dataset = open_dataset(file, name, path);
  const std::vector<hsize_t> shape = shape_of(dataset);
  if (shape.size() != 1 || static_cast<int64_t>(shape[0]) != rows) {
    throw InputError(path, "dataset '" + name + "' does not have one entry per row of 'features'");
  }
  std::vector<double> stored(shape[0]);  // holds every number of 32 bits
  read_rows(dataset, H5T_NATIVE_DOUBLE, 0, shape[0], stored.data(), path);
  std::vector<int32_t> values(shape[0]);
  for (hsize_t row = 0; row < shape[0]; ++row) {
    values[row] = whole_number(stored[row], row, name, path);
  }
  return values;
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
    if (!list.is_array() || !item.is_string() || is_feature_column(item.get<std::string>())) break;
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

// Every value once, in blocks; kept where `values` is given.
void look_through(const FeatureTable& table, const std::string& tensor,
                  std::vector<float>* values) {
  const int64_t size = table.row_size(tensor);
  const int64_t most = feature_rows_at_once(size);
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
