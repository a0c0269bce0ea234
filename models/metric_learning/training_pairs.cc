#include "models/metric_learning/training_pairs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::models {
namespace {

// What tells these draws apart from others of the same seed.
enum Draw : uint64_t { kDifferentPersons = 0x6B69737331, kHalves = 0x7871646131 };

at::Tensor as_rows(const std::vector<int64_t>& rows) {
  return at::tensor(rows, at::kLong).view({-1, 2});
}

std::map<int32_t, std::vector<int64_t>> rows_by_identity(const std::vector<int32_t>& identity) {
  std::map<int32_t, std::vector<int64_t>> rows;
  for (size_t row = 0; row < identity.size(); ++row) {
    rows[identity[row]].push_back(static_cast<int64_t>(row));
  }
  return rows;
}

// Whether any two rows differ in both.
bool has_different_pair(const std::vector<int32_t>& identity, const std::vector<int32_t>& camera) {
  std::set<std::pair<int32_t, int32_t>> kinds;
  for (size_t row = 0; row < identity.size(); ++row) kinds.emplace(identity[row], camera[row]);
  for (const auto& one : kinds) {
    for (const auto& other : kinds) {
      if (one.first != other.first && one.second != other.second) return true;
    }
  }
  return false;
}

}  // namespace

TrainingPairs cross_camera_pairs(const std::vector<int32_t>& identity,
                                 const std::vector<int32_t>& camera, int64_t stride, uint64_t seed,
                                 const std::string& source) {
  MUSTER_REQUIRE(identity.size(), ==, camera.size());
  MUSTER_REQUIRE(stride, >=, 1);
  std::vector<int64_t> same, different;
  int64_t found = 0;
  for (const auto& [person, rows] : rows_by_identity(identity)) {
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t j = i + 1; j < rows.size(); ++j) {
        const bool two_cameras =
            camera[static_cast<size_t>(rows[i])] != camera[static_cast<size_t>(rows[j])];
        if (two_cameras && found++ % stride == 0) same.insert(same.end(), {rows[i], rows[j]});
      }
    }
  }
  if (same.empty()) throw common::InputError(source, "has no person under two cameras");
  if (!has_different_pair(identity, camera)) {
    throw common::InputError(source, "has no two persons under two cameras");
  }
  common::KeyedRandom random(common::combined_key({seed, kDifferentPersons}));
  while (different.size() < same.size()) {
    const size_t i = random.below(identity.size()), j = random.below(identity.size());
    if (identity[i] == identity[j] || camera[i] == camera[j]) continue;
    different.insert(different.end(), {static_cast<int64_t>(i), static_cast<int64_t>(j)});
  }
  return {as_rows(same), as_rows(different)};
}

TrainingViews half_views(const std::vector<int32_t>& identity, uint64_t seed) {
  TrainingViews views;
  for (auto& [person, rows] : rows_by_identity(identity)) {
    common::KeyedRandom random(
        common::combined_key({seed, kHalves, static_cast<uint64_t>(static_cast<int64_t>(person))}));
    random.shuffle(rows);
    const auto half = rows.begin() + static_cast<int64_t>(rows.size() / 2);
    views.first.insert(views.first.end(), rows.begin(), half);
    views.second.insert(views.second.end(), half, rows.end());
  }
  std::sort(views.first.begin(), views.first.end());
  std::sort(views.second.begin(), views.second.end());
  return views;
}

}  // namespace muster::models
