#include "trainer/scoring.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/protocol.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

using datastore::kRoleDistractor;
using datastore::kRoleGallery;
using datastore::kRoleJunk;
using datastore::kRoleQuery;

FeatureTable empty_table(int64_t variants, int64_t features) {
  FeatureTable table;
  table.variants = variants;
  table.features = features;
  return table;
}

void add_row(FeatureTable& table, int32_t identity, int32_t camera, int32_t role,
             const std::vector<float>& values) {
  ++table.rows;
  table.identity.push_back(identity);
  table.camera.push_back(camera);
  table.role.push_back(role);
  table.values.insert(table.values.end(), values.begin(), values.end());
}

// `queries` rows under camera 1 and `gallery` rows under cameras 2 and 3, in one table.
FeatureTable random_table(int queries, int gallery, int64_t variants, uint64_t key) {
  FeatureTable table = empty_table(variants, 6);
  common::KeyedRandom random(key);
  for (int row = 0; row < queries + gallery; ++row) {
    std::vector<float> values;
    for (int64_t i = 0; i < variants * 6; ++i)
      values.push_back(static_cast<float>(random.normal()));
    const auto identity = static_cast<int32_t>(random.below(15));
    if (row < queries) {
      add_row(table, identity, 1, kRoleQuery, values);
    } else {
      add_row(table, identity, 2 + row % 2, row % 3 == 0 ? kRoleDistractor : kRoleGallery, values);
    }
  }
  return table;
}

double naive_distance(const float* a, const float* b, int64_t features, proto::Metric metric) {
  double length_a = 1, length_b = 1;
  if (metric == proto::COSINE) {
    double squares_a = 0, squares_b = 0;
    for (int64_t i = 0; i < features; ++i) {
      squares_a += static_cast<double>(a[i]) * a[i];
      squares_b += static_cast<double>(b[i]) * b[i];
    }
    length_a = std::sqrt(squares_a);
    length_b = std::sqrt(squares_b);
  }
  double squares = 0;
  for (int64_t i = 0; i < features; ++i) {
    squares += std::pow(a[i] / length_a - b[i] / length_b, 2);
  }
  return std::sqrt(squares);
}

RankingResult naive_score(const FeatureTable& table, proto::Metric metric) {
  std::vector<GalleryItem> items;
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < table.rows; ++row) {
    const auto index = static_cast<size_t>(row);
    if ((table.role[index] & (kRoleGallery | kRoleDistractor)) == 0) continue;
    rows.push_back(row);
    items.push_back({table.identity[index], table.camera[index], false});
  }
  RankingMetrics metrics(items);
  const int64_t stride = table.variants * table.features;
  for (int64_t query = 0; query < table.rows; ++query) {
    if ((table.role[static_cast<size_t>(query)] & kRoleQuery) == 0) continue;
    std::vector<float> distances;
    for (const int64_t row : rows) {
      double sum = 0;
      for (int64_t variant = 0; variant < table.variants; ++variant) {
        sum += naive_distance(&table.values[static_cast<size_t>(query * stride + variant * 6)],
                              &table.values[static_cast<size_t>(row * stride + variant * 6)], 6,
                              metric);
      }
      distances.push_back(static_cast<float>(sum));
    }
    metrics.add_query(table.identity[static_cast<size_t>(query)],
                      table.camera[static_cast<size_t>(query)], distances.data());
  }
  return metrics.result();
}

RankingResult scored(const FeatureTable& queries, const FeatureTable& gallery,
                     proto::Metric metric = proto::EUCLIDEAN) {
  common::SilentProgress progress;
  int64_t gallery_size = -1;
  return score(queries, gallery, metric, {}, &gallery_size, progress);
}

struct ScoredUnder {
  RankingResult result;
  int64_t gallery = -1;
};

ScoredUnder scored_under(const std::string& protocol, const FeatureTable& table) {
  common::SilentProgress progress;
  ScoredUnder scored;
  scored.result = score(table, table, proto::EUCLIDEAN, datastore::find_protocol(protocol).rules,
                        &scored.gallery, progress);
  return scored;
}

// As extracted under `mars`. Seen from the query of identity 1 (at 0): junk, another query (wrong),
// a distractor, the right one that is a query too, the right one that is not. The query of identity
// 3 has no match.
FeatureTable mars_table() {
  constexpr int32_t kQuery = kRoleQuery | kRoleGallery;
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kQuery, {0});
  add_row(table, -1, 2, kRoleGallery | kRoleJunk, {1});
  add_row(table, 3, 2, kQuery, {2});
  add_row(table, 0, 3, kRoleGallery | kRoleDistractor, {3});
  add_row(table, 1, 2, kQuery, {4});
  add_row(table, 1, 1, kRoleGallery, {4.5f});
  add_row(table, 1, 3, kRoleGallery, {4.8f});
  return table;
}

void expect_equal(const RankingResult& result, const RankingResult& expected) {
  EXPECT_EQ(result.cmc, expected.cmc);
  EXPECT_NEAR(result.mean_average_precision, expected.mean_average_precision, 1e-12);
  EXPECT_EQ(result.queries, expected.queries);
  EXPECT_EQ(result.queries_without_match, expected.queries_without_match);
}

TEST(ScoringTest, EqualsDistancesInPlainLoops) {
  const FeatureTable table = random_table(20, 40, 1, 1);
  expect_equal(scored(table, table), naive_score(table, proto::EUCLIDEAN));
}

TEST(ScoringTest, CosineComparesDirections) {
  const FeatureTable table = random_table(20, 40, 1, 2);
  expect_equal(scored(table, table, proto::COSINE), naive_score(table, proto::COSINE));
}

// The longer vector is farther away but points the right way.
TEST(ScoringTest, CosineIgnoresLength) {
  FeatureTable table = empty_table(1, 2);
  add_row(table, 1, 1, kRoleQuery, {1, 0});
  add_row(table, 1, 2, kRoleGallery, {50, 1});
  add_row(table, 2, 2, kRoleGallery, {1, 1});
  EXPECT_EQ(scored(table, table, proto::COSINE).cmc[0], 1);
  EXPECT_EQ(scored(table, table, proto::EUCLIDEAN).cmc[0], 0);
}

TEST(ScoringTest, MoreQueriesThanOneBlockAreScoredAlike) {
  for (const int queries : {63, 64, 65, 150}) {
    const FeatureTable table = random_table(queries, 45, 1, 3);
    expect_equal(scored(table, table), naive_score(table, proto::EUCLIDEAN));
  }
}

TEST(ScoringTest, DistancesOfVariantsAdd) {
  const FeatureTable table = random_table(70, 40, 3, 4);
  expect_equal(scored(table, table), naive_score(table, proto::EUCLIDEAN));
}

TEST(ScoringTest, CosineNormalisesEachVariant) {
  const FeatureTable table = random_table(20, 40, 2, 5);
  expect_equal(scored(table, table, proto::COSINE), naive_score(table, proto::COSINE));
}

// Vectors far from the origin whose differences are small: |x|^2 + |y|^2 - 2xy would lose them.
TEST(ScoringTest, SmallDistancesSurviveLargeVectors) {
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kRoleQuery, {4096});
  for (int i = 30; i >= 1; --i) {
    add_row(table, i == 1 ? 1 : 2, 2, kRoleGallery, {4096 + 0.01f * static_cast<float>(i)});
  }
  EXPECT_EQ(scored(table, table).cmc[0], 1);
}

TEST(ScoringTest, AZeroVectorHasADirectionlessButFiniteCosine) {
  FeatureTable table = empty_table(1, 2);
  add_row(table, 1, 1, kRoleQuery, {1, 0});
  add_row(table, 2, 2, kRoleGallery, {0, 0});
  add_row(table, 1, 2, kRoleGallery, {1, 0.1f});
  EXPECT_EQ(scored(table, table, proto::COSINE).cmc[0], 1);
}

TEST(ScoringTest, EqualDistancesRankInFileOrder) {
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kRoleQuery, {0});
  add_row(table, 2, 2, kRoleGallery, {1});
  add_row(table, 1, 2, kRoleGallery, {-1});
  EXPECT_EQ(scored(table, table).cmc, (std::vector<double>{0, 1}));
}

TEST(ScoringTest, JunkIsIgnored) {
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kRoleQuery, {0});
  add_row(table, 2, 2, kRoleGallery | kRoleJunk, {0.1f});
  add_row(table, 3, 2, kRoleJunk, {0.2f});
  add_row(table, 1, 2, kRoleGallery, {0.3f});
  EXPECT_EQ(scored(table, table).cmc[0], 1);
}

TEST(ScoringTest, AQueryThatIsAlsoGalleryDoesNotMatchItself) {
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kRoleQuery | kRoleGallery, {0});
  add_row(table, 2, 2, kRoleGallery, {1});
  add_row(table, 1, 2, kRoleGallery, {2});
  EXPECT_EQ(scored(table, table).cmc, (std::vector<double>{0, 1, 1}));
}

TEST(ScoringTest, QueriesAndGalleryMayComeFromTwoTables) {
  FeatureTable queries = empty_table(1, 1), gallery = empty_table(1, 1);
  add_row(queries, 1, 1, kRoleQuery, {0});
  add_row(queries, 1, 2, kRoleGallery, {0});  // not looked at
  add_row(gallery, 2, 2, kRoleGallery, {1});
  add_row(gallery, 1, 2, kRoleGallery, {2});
  EXPECT_EQ(scored(queries, gallery).cmc, (std::vector<double>{0, 1}));
}

TEST(ScoringTest, TellsTheGallerysSize) {
  const FeatureTable table = random_table(5, 23, 1, 6);
  common::SilentProgress progress;
  int64_t gallery_size = -1;
  score(table, table, proto::EUCLIDEAN, {}, &gallery_size, progress);
  EXPECT_EQ(gallery_size, 23);
}

// Query 1 sees wrong (2), wrong (3), right (4), right (4.8). The other query of identity 1, at 4,
// sees right (4.5), right (4.8), wrong (3), wrong (2), right (0). The query of identity 3 sees
// nothing right.
TEST(ScoringTest, OfficialMarsKeepsQueriesAndCountsAllOfThem) {
  const ScoredUnder mars = scored_under("mars", mars_table());
  EXPECT_EQ(mars.gallery, 7);
  EXPECT_EQ(mars.result.queries, 3);
  EXPECT_EQ(mars.result.queries_without_match, 1);
  const double first = (0 + 1.0 / 3 + 1.0 / 3 + 2.0 / 4) / 4;
  const double other = ((1.0 + 1) / 2 + (1.0 + 1) / 2 + (2.0 / 4 + 3.0 / 5) / 2) / 3;
  EXPECT_NEAR(mars.result.mean_average_precision, (first + other + 0) / 3, 1e-12);
  EXPECT_NEAR(mars.result.cmc[0], 1.0 / 3, 1e-12);
  EXPECT_NEAR(mars.result.cmc[2], 2.0 / 3, 1e-12);
}

// From the same rows: query 1 sees wrong (3), right (4.8); the other sees right (4.5), right
// (4.8), wrong (3).
TEST(ScoringTest, TorchreidsMarsTakesQueriesOutAndSkipsTheUnmatched) {
  const ScoredUnder torchreid = scored_under("mars-torchreid", mars_table());
  EXPECT_EQ(torchreid.gallery, 3);
  EXPECT_EQ(torchreid.result.queries, 2);
  EXPECT_EQ(torchreid.result.queries_without_match, 1);
  EXPECT_NEAR(torchreid.result.mean_average_precision, (1.0 / 2 + 1) / 2, 1e-12);
  EXPECT_NEAR(torchreid.result.cmc[0], 0.5, 1e-12);
}

// A file of another program may leave the gallery bit of queries out.
TEST(ScoringTest, OfficialMarsTakesQueriesForGalleryWithoutTheBit) {
  FeatureTable marked = mars_table(), bare = mars_table();
  for (int32_t& role : bare.role) {
    if ((role & kRoleQuery) != 0) role = kRoleQuery;
  }
  const ScoredUnder expected = scored_under("mars", marked), scored = scored_under("mars", bare);
  EXPECT_EQ(scored.gallery, expected.gallery);
  expect_equal(scored.result, expected.result);
}

TEST(ScoringTest, NobodyMatchedIsRefusedAlsoWhereTheUnmatchedCount) {
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kRoleQuery | kRoleGallery, {0});
  add_row(table, 2, 2, kRoleGallery, {1});
  EXPECT_THROW(scored_under("mars", table), common::InputError);
}

TEST(ScoringTest, TablesOfAnotherShapeAreRefused) {
  const FeatureTable one = random_table(5, 10, 1, 7), two = random_table(5, 10, 2, 7);
  EXPECT_THROW(scored(one, two), common::InputError);
}

TEST(ScoringTest, NoQueriesOrNoGalleryAreRefused) {
  const FeatureTable queries = random_table(5, 0, 1, 8), gallery = random_table(0, 5, 1, 8);
  EXPECT_THROW(scored(gallery, gallery), common::InputError);
  EXPECT_THROW(scored(queries, queries), common::InputError);
}

TEST(ScoringTest, ATableWhereNothingCanMatchIsRefused) {
  FeatureTable table = empty_table(1, 1);
  add_row(table, 1, 1, kRoleQuery, {0});
  add_row(table, 2, 2, kRoleGallery, {1});
  EXPECT_THROW(scored(table, table), common::InputError);
}

}  // namespace
}  // namespace muster::trainer
