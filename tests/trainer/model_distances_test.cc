#include "trainer/model_distances.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "common/error.h"
#include "common/keyed_random.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/trainer/small_pair_model.h"

namespace muster::trainer {
namespace {

constexpr int64_t kFeatures = 3;

// Of the second and third feature alone, so that it orders otherwise than `features` do. Not
// symmetric.
class CrookedModel : public SmallPairModel {
 public:
  explicit CrookedModel(bool whole) : whole_(whole) {}
  bool wants_whole_gallery() const override { return whole_; }
  static float between(const float* query, const float* item) {
    return std::abs(query[1] - item[1]) + 2 * std::max(0.0f, query[2] - item[2]);
  }
  at::Tensor distance(const models::Signature& queries,
                      const models::Signature& gallery) const override {
    const at::Tensor left = queries.at("features").reshape({-1, kFeatures}).contiguous();
    const at::Tensor right = gallery.at("features").reshape({-1, kFeatures}).contiguous();
    const std::lock_guard<std::mutex> lock(mutex_);
    pairs += left.size(0) * right.size(0);
    narrowest = std::min(narrowest, right.size(0));
    const at::Tensor result = at::empty({left.size(0), right.size(0)});
    for (int64_t i = 0; i < left.size(0); ++i) {
      for (int64_t j = 0; j < right.size(0); ++j) {
        result[i][j] = between(left.data_ptr<float>() + i * kFeatures,
                               right.data_ptr<float>() + j * kFeatures);
      }
    }
    return result;
  }
  mutable int64_t pairs = 0, narrowest = 1 << 30;

 private:
  const bool whole_;
  mutable std::mutex mutex_;
};

struct World {
  FeatureTable table;
  std::vector<int64_t> query_rows, gallery_rows;
  std::vector<GalleryItem> items;
};

World world_of(int64_t rows) {
  World world;
  FeatureTable& table = world.table;
  table.rows = rows;
  table.features = kFeatures;
  common::KeyedRandom random(11);
  for (int64_t row = 0; row < rows; ++row) {
    table.identity.push_back(static_cast<int32_t>(random.below(6)));
    table.camera.push_back(static_cast<int32_t>(random.below(2)));
    table.role.push_back(0);
    for (int64_t i = 0; i < kFeatures; ++i) {
      table.values.push_back(static_cast<float>(random.normal()));
    }
    if (row % 3 == 0) world.query_rows.push_back(row);
    world.gallery_rows.push_back(row);
    world.items.push_back({table.identity.back(), table.camera.back(), row % 7 == 0});
  }
  return world;
}

const float* row_of(const World& world, int64_t row) {
  return world.table.values.data() + row * kFeatures;
}

// Gallery places in the order in which a query's are ranked, by plain sorting.
std::vector<int64_t> naive_order(const World& world, int64_t query, int64_t candidates) {
  const auto q = static_cast<size_t>(query);
  const auto sees = [&](const GalleryItem& item) {
    return !item.ignored &&
           !(item.identity == world.table.identity[q] && item.camera == world.table.camera[q]);
  };
  const auto by_features = [&](int64_t place) {
    double squares = 0;
    for (int64_t i = 0; i < kFeatures; ++i) {
      const double difference = static_cast<double>(row_of(world, query)[i]) -
                                row_of(world, world.gallery_rows[static_cast<size_t>(place)])[i];
      squares += difference * difference;
    }
    return static_cast<float>(std::sqrt(squares));
  };
  const auto by_model = [&](int64_t place) {
    return CrookedModel::between(row_of(world, query),
                                 row_of(world, world.gallery_rows[static_cast<size_t>(place)]));
  };
  std::vector<int64_t> order;
  for (size_t place = 0; place < world.items.size(); ++place) {
    if (sees(world.items[place])) order.push_back(static_cast<int64_t>(place));
  }
  auto judged = order.end();
  if (candidates > 0) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return by_features(a) < by_features(b); });
    judged = order.begin() + std::min<int64_t>(candidates, static_cast<int64_t>(order.size()));
  }
  std::stable_sort(order.begin(), judged,
                   [&](int64_t a, int64_t b) { return by_model(a) < by_model(b); });
  return order;
}

RankingResult naive_result(const World& world, int64_t candidates) {
  RankingMetrics metrics(world.items);
  for (const int64_t query : world.query_rows) {
    const auto q = static_cast<size_t>(query);
    std::vector<int64_t> matches;
    const std::vector<int64_t> order = naive_order(world, query, candidates);
    for (size_t rank = 0; rank < order.size(); ++rank) {
      if (world.items[static_cast<size_t>(order[rank])].identity == world.table.identity[q]) {
        matches.push_back(static_cast<int64_t>(rank));
      }
    }
    metrics.add_ranks(matches);
  }
  return metrics.result();
}

class RankPairwiseTest : public testing::TestWithParam<int> {
 protected:
  RankingResult ranked(const CrookedModel& model, int64_t candidates) {
    RankingMetrics metrics(world_.items);
    const PairwiseWork work{
        model,        world_.table, world_.table, world_.query_rows, world_.gallery_rows,
        world_.items, candidates};
    run_ranks(GetParam(), [&](Communicator& communicator) {
      common::SilentProgress progress;
      RankingMetrics unused(world_.items);
      rank_pairwise(work, directory_ / ("partial-" + std::to_string(candidates)), communicator,
                    progress, communicator.rank() == 0 ? metrics : unused);
    });
    return metrics.result();
  }

  void expect_naive(const RankingResult& result, int64_t candidates) const {
    const RankingResult expected = naive_result(world_, candidates);
    EXPECT_EQ(result.queries, expected.queries);
    EXPECT_EQ(result.cmc, expected.cmc);
    EXPECT_DOUBLE_EQ(result.mean_average_precision, expected.mean_average_precision);
  }

  const World world_ = world_of(80);
  common::TestDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Ranks, RankPairwiseTest, testing::Values(1, 3));

TEST_P(RankPairwiseTest, RanksByTheModelsDistanceAndComparesEachPairOnce) {
  const CrookedModel model(false);
  expect_naive(ranked(model, 0), 0);
  EXPECT_EQ(model.pairs, 27 * 80);
  EXPECT_LT(model.narrowest, 80);
  expect_naive(ranked(model, 0), 0);  // from what was kept
  EXPECT_EQ(model.pairs, 27 * 80);
}

TEST_P(RankPairwiseTest, AModelThatWantsTheWholeGalleryGetsIt) {
  const CrookedModel model(true);
  expect_naive(ranked(model, 0), 0);
  EXPECT_EQ(model.narrowest, 80);
}

TEST_P(RankPairwiseTest, CandidatesAreReorderedAndTheOthersFollow) {
  for (const bool whole : {false, true}) {
    for (const int64_t candidates : {1, 10, 1000}) {
      SCOPED_TRACE(candidates);
      std::filesystem::remove_all(directory_ / ("partial-" + std::to_string(candidates)));
      const CrookedModel model(whole);
      expect_naive(ranked(model, candidates), candidates);
      EXPECT_LE(model.pairs, 27 * std::min<int64_t>(candidates, 80));
    }
  }
}

TEST(ModelDistancesTest, OnlyAModelThatJudgesPairsComparesPairwise) {
  EXPECT_TRUE(compares_pairwise(CrookedModel(false)));
  class Silent : public SmallPairModel {
    bool judges_pairs() const override { return false; }
  };
  EXPECT_FALSE(compares_pairwise(Silent()));
}

}  // namespace
}  // namespace muster::trainer
