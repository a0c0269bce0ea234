// Which training vectors a metric is learned from: rows by identity and camera.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace muster::models {

struct TrainingPairs {
  at::Tensor same, different;  // [pairs, 2] int64 rows: of one person, of two persons
};

// Of one person: every pair of rows under different cameras, in the order of rows; only each
// `stride`-th of them counts (the code of MARS takes 10). Of two persons: as many pairs under
// different cameras, drawn as a function of `seed`, repeats possible. Throws InputError naming
// `source` if there is no pair of either sort.
TrainingPairs cross_camera_pairs(const std::vector<int32_t>& identity,
                                 const std::vector<int32_t>& camera, int64_t stride, uint64_t seed,
                                 const std::string& source);

// Rows of two views: of each person one half, drawn as a function of (seed, identity), is the
// first view and the rest the second; an odd row goes to the second. In the order of rows.
struct TrainingViews {
  std::vector<int64_t> first, second;
};
TrainingViews half_views(const std::vector<int32_t>& identity, uint64_t seed);

}  // namespace muster::models
