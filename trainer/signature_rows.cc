#include "trainer/signature_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "common/error.h"

namespace muster::trainer {

using common::InputError;

models::Signature signature_rows(const FeatureTable& table, const std::vector<int64_t>& rows) {
  models::Signature signature;
  for (const std::string& name : table.tensors()) {
    std::vector<int64_t> axes = {static_cast<int64_t>(rows.size())};
    if (table.variants != 1) axes.push_back(table.variants);
    if (name == "features") {
      axes.push_back(table.features);
    } else {
      const std::vector<int64_t>& shape = table.further.at(name).shape;
      axes.insert(axes.end(), shape.begin(), shape.end());
    }
    at::Tensor values = at::empty(axes, at::kFloat);
    copy_rows(table, name, rows, values.data_ptr<float>());
    signature[name] = values;
  }
  return signature;
}

FeatureTable represented(const FeatureTable& table, const models::Model& model) {
  constexpr int64_t kBytesAtOnce = int64_t{64} << 20;
  const int64_t rows_at_once = std::clamp<int64_t>(kBytesAtOnce / table.row_bytes(), 1, 1024);
  const at::NoGradGuard no_gradients;
  FeatureTable result;
  result.rows = table.rows;
  result.identity = table.identity;
  result.camera = table.camera;
  result.role = table.role;
  result.facts = table.facts;
  result.name = table.name;
  for (int64_t first = 0; first < table.rows; first += rows_at_once) {
    std::vector<int64_t> rows(static_cast<size_t>(std::min(rows_at_once, table.rows - first)));
    std::iota(rows.begin(), rows.end(), first);
    at::Tensor vectors;
    try {
      vectors = model.representation(signature_rows(table, rows));
    } catch (const std::out_of_range&) {
      throw InputError(table.name, "lacks a tensor that the network's vectors are made of",
                       "extract the features with the run that --run names");
    }
    if (!vectors.defined()) {
      throw InputError(table.name, "has no 'features', and the network compares no single vectors",
                       "score with --metric model");
    }
    vectors = vectors.to(at::kFloat).contiguous();
    result.features = vectors.size(1);
    result.values.reserve(static_cast<size_t>(table.rows * result.features));
    result.values.insert(result.values.end(), vectors.data_ptr<float>(),
                         vectors.data_ptr<float>() + vectors.numel());
  }
  return result;
}

}  // namespace muster::trainer
