// muster-cmc-worker FILE THREADS: scores features of the size of MARS, and times beside it the bare
// matrix product of their distances. Leaves the features in FILE and prints one JSON object.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "benchmarks/guarded_main.h"
#include "benchmarks/store/interleaved.h"
#include "common/keyed_random.h"
#include "common/process_memory.h"
#include "datastore/protocol.h"
#include "datastore/tracklet_role.h"
#include "trainer/scoring.h"

namespace muster::benchmarks {
namespace {

constexpr int64_t kQueries = 1980, kGallery = 12180, kFeatures = 1024;
constexpr int kPersons = 626, kDistractors = 3248, kJunk = 870, kCameras = 6, kRounds = 7;

// A query each of most persons under most cameras; every row is gallery, as in MARS.
trainer::FeatureTable mars_like_features() {
  trainer::FeatureTable table;
  table.rows = kGallery;
  table.features = kFeatures;
  common::KeyedRandom random(1);
  std::vector<float> centres(static_cast<size_t>((kPersons + 1) * kFeatures));
  for (float& value : centres) value = static_cast<float>(random.normal());
  for (int64_t row = 0; row < kGallery; ++row) {
    const bool junk = row < kJunk, distractor = !junk && row < kJunk + kDistractors;
    const auto person = static_cast<int32_t>(row % kPersons + 1);
    table.identity.push_back(junk ? -1 : distractor ? 0 : person);
    table.camera.push_back(static_cast<int32_t>(random.below(kCameras)));
    int32_t role = datastore::kRoleGallery;
    if (junk) role |= datastore::kRoleJunk;
    if (distractor) role |= datastore::kRoleDistractor;
    if (row >= kGallery - kQueries) role |= datastore::kRoleQuery;
    table.role.push_back(role);
    for (int64_t i = 0; i < kFeatures; ++i) {
      const float own = table.identity.back() > 0 ? centres[person * kFeatures + i] : 0;
      table.values.push_back(0.35f * own + static_cast<float>(random.normal()));
    }
  }
  table.facts["protocol"] = "mars";
  return table;
}

int run(const std::vector<std::string>& arguments) {
  const std::string file = arguments.at(0);
  const int threads = std::stoi(arguments.at(1));
  at::set_num_threads(threads);
  trainer::FeatureTable table = mars_like_features();
  trainer::write_feature_file(file, table);
  common::SilentProgress progress;
  trainer::RankingResult result;
  int64_t gallery_size = 0;
  trainer::DistanceSource source;
  source.threads = threads;
  const at::Tensor all = at::from_blob(table.values.data(), {kGallery, kFeatures}, at::kFloat);
  const at::Tensor queries = all.narrow(0, kGallery - kQueries, kQueries);
  at::Tensor products = at::empty({kQueries, kGallery}, at::kFloat);
  const MedianSeconds seconds = interleaved(
      kRounds,
      [&] {
        result =
            trainer::score(table, table, proto::EUCLIDEAN, datastore::find_protocol("mars").rules,
                           &gallery_size, progress, source);
      },
      [&] { at::mm_out(products, queries, all.t()); });
  std::cout << nlohmann::json{{"score_seconds", seconds.measured},
                              {"product_seconds", seconds.bound},
                              {"map", result.mean_average_precision},
                              {"rank_1", result.cmc.at(0)},
                              {"peak_bytes", common::peak_resident_bytes()}}
            << "\n";
  return 0;
}

}  // namespace
}  // namespace muster::benchmarks

int main(int count, char** values) {
  return muster::benchmarks::guarded_main("muster-cmc-worker", count, values,
                                          &muster::benchmarks::run);
}
