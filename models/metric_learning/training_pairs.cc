#include "models/metric_learning/training_pairs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

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

// All ordered pairs of rows that differ in identity and camera, each as likely as the others.
class DifferentPairs {
 public:
  DifferentPairs(const std::vector<int32_t>& identity, const std::vector<int32_t>& camera)
      : identity_(identity), camera_(camera), order_(identity.size()) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t one, size_t other) { return camera[one] < camera[other]; });
    for (size_t place = 0; place < order_.size(); ++place) {
      const size_t row = order_[place];
      of_identity_[identity[row]].push_back(place);
      Places& block = of_camera_.try_emplace(camera[row], Places{place, place}).first->second;
      block.end = place + 1;
    }
    for (size_t row = 0; row < identity.size(); ++row) {
      up_to_.push_back(count() + partners_before(row, order_.size()));
    }
  }

  uint64_t count() const { return up_to_.empty() ? 0 : up_to_.back(); }
  // Whether two rows drawn blindly are such a pair often enough for draws until they are.
  bool are_common() const {
    constexpr double kOftenEnough = 1.0 / 64;
    const auto rows = static_cast<double>(identity_.size());
    return static_cast<double>(count()) >= kOftenEnough * rows * rows;
  }
  bool holds(size_t i, size_t j) const {
    return identity_[i] != identity_[j] && camera_[i] != camera_[j];
  }
  // The pair `number` below count(), in time that grows with the logarithm of the rows.
  std::pair<size_t, size_t> pair(uint64_t number) const {
    const size_t row = static_cast<size_t>(std::upper_bound(up_to_.begin(), up_to_.end(), number) -
                                           up_to_.begin());
    const uint64_t partner = row == 0 ? number : number - up_to_[row - 1];
    size_t low = 0, high = order_.size();  // the last place with at most `partner` partners before
    while (high - low > 1) {
      const size_t middle = low + (high - low) / 2;
      (partners_before(row, middle) <= partner ? low : high) = middle;
    }
    return {row, order_[low]};
  }

 private:
  struct Places {
    size_t begin, end;
    size_t before(size_t place) const { return std::clamp(place, begin, end) - begin; }
  };

  // How many rows at places before `place` differ from `row` in both.
  uint64_t partners_before(size_t row, size_t place) const {
    const Places& block = of_camera_.at(camera_[row]);
    const std::vector<size_t>& own = of_identity_.at(identity_[row]);
    const auto own_before = [&](size_t end) {
      return static_cast<size_t>(std::lower_bound(own.begin(), own.end(), end) - own.begin());
    };
    const size_t in_both =
        own_before(std::clamp(place, block.begin, block.end)) - own_before(block.begin);
    return place - block.before(place) - own_before(place) + in_both;
  }

  const std::vector<int32_t>&identity_, &camera_;
  std::vector<size_t> order_;                           // rows by camera
  std::map<int32_t, std::vector<size_t>> of_identity_;  // places in order_
  std::map<int32_t, Places> of_camera_;                 // places in order_
  std::vector<uint64_t> up_to_;                         // pairs whose first row is up to this one
};

}  // namespace

TrainingPairs cross_camera_pairs(const std::vector<int32_t>& identity,
                                 const std::vector<int32_t>& camera, int64_t stride, uint64_t seed,
                                 const std::string& source) {
  MUSTER_REQUIRE(identity.size(), ==, camera.size());
  MUSTER_REQUIRE(stride, >=, 1);
  std::vector<int64_t> same, different;
  int64_t found = 0;
  for (const auto& [person, rows] : rows_by_identity(identity)) {
    const auto camera_of = [&, &own = rows](size_t i) {
      return camera[static_cast<size_t>(own[i])];
    };
    // After a row, the first one under another camera: rows that make no pair are passed in runs.
    std::vector<size_t> change(rows.size(), rows.size());
    for (size_t i = rows.size() - 1; i-- > 0;) {
      change[i] = camera_of(i) == camera_of(i + 1) ? change[i + 1] : i + 1;
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t j = change[i]; j < rows.size();) {
        if (camera_of(i) == camera_of(j)) {
          j = change[j];
          continue;
        }
        if (found++ % stride == 0) same.insert(same.end(), {rows[i], rows[j]});
        ++j;
      }
    }
  }
  if (same.empty()) throw common::InputError(source, "has no person under two cameras");
  const DifferentPairs pairs(identity, camera);
  if (pairs.count() == 0) {
    throw common::InputError(source, "has no two persons under two cameras");
  }
  common::KeyedRandom random(common::combined_key({seed, kDifferentPersons}));
  while (different.size() < same.size()) {
    size_t i, j;
    if (pairs.are_common()) {
      i = random.below(identity.size()), j = random.below(identity.size());
      if (!pairs.holds(i, j)) continue;
    } else {
      std::tie(i, j) = pairs.pair(random.below(pairs.count()));
    }
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
