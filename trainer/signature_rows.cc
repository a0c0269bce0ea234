#include "trainer/signature_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "common/error.h"

namespace muster::trainer {

using common::InputError;

models::Signature signature_rows(const FeatureTable& table, const std::vector<int64_t>& rows) {
  const at::Tensor index = at::tensor(rows, at::kLong);
  models::Signature signature;
  const auto add = [&](const std::string& name, const std::vector<float>& values,
                       const std::vector<int64_t>& shape) {
    std::vector<int64_t> all = {table.rows};
    if (table.variants != 1) all.push_back(table.variants);
    all.insert(all.end(), shape.begin(), shape.end());
    signature[name] =
        at::from_blob(const_cast<float*>(values.data()), all, at::kFloat).index_select(0, index);
  };
  if (table.features > 0) add("features", table.values, {table.features});
  for (const auto& [name, tensor] : table.further) add(name, tensor.values, tensor.shape);
  return signature;
}

FeatureTable represented(const FeatureTable& table, const models::Model& model) {
  constexpr int64_t kRowsAtOnce = 1024;
  const at::NoGradGuard no_gradients;
  FeatureTable result;
  result.rows = table.rows;
  result.identity = table.identity;
  result.camera = table.camera;
  result.role = table.role;
  result.facts = table.facts;
  result.name = table.name;
  for (int64_t first = 0; first < table.rows; first += kRowsAtOnce) {
    std::vector<int64_t> rows(static_cast<size_t>(std::min(kRowsAtOnce, table.rows - first)));
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
    result.values.insert(result.values.end(), vectors.data_ptr<float>(),
                         vectors.data_ptr<float>() + vectors.numel());
  }
  return result;
}

}  // namespace muster::trainer
