#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "common/error.h"
#include "trainer/feature_file.h"
#include "trainer/stored_tensors.h"

namespace muster::trainer {

bool is_feature_column(const std::string& name) {
  return name == "identity" || name == "camera" || name == "role";
}

int64_t feature_rows_at_once(int64_t row_size) {
  constexpr int64_t kBytesAtOnce = int64_t{16} << 20;
  return std::max<int64_t>(1, kBytesAtOnce / (row_size * static_cast<int64_t>(sizeof(float))));
}

int64_t FeatureTensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

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
  const int64_t most = feature_rows_at_once(size);
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

}  // namespace muster::trainer
