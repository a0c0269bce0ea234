#include "trainer/euclidean_ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "common/keyed_random.h"

namespace muster::trainer {
namespace {

// `queries` rows, then the gallery; a few persons, so that matches are many.
FeatureTable ranked_table(int64_t rows, int64_t variants, int64_t features,
                          const std::function<float(common::KeyedRandom&)>& value) {
  FeatureTable table;
  table.rows = rows;
  table.variants = variants;
  table.features = features;
  common::KeyedRandom random(7);
  for (int64_t row = 0; row < rows; ++row) {
    table.identity.push_back(static_cast<int32_t>(random.below(9)));
    table.camera.push_back(static_cast<int32_t>(random.below(3)));
    table.role.push_back(0);
    for (int64_t i = 0; i < variants * features; ++i) table.values.push_back(value(random));
  }
  return table;
}

std::vector<int64_t> rows_from(int64_t first, int64_t last) {
  std::vector<int64_t> rows;
  for (int64_t row = first; row < last; ++row) rows.push_back(row);
  return rows;
}

std::vector<double> naive_vector(const FeatureTable& table, int64_t row, int64_t variant,
                                 bool unit_length) {
  std::vector<double> vector;
  double squares = 0;
  for (int64_t i = 0; i < table.features; ++i) {
    vector.push_back(
        table.values[static_cast<size_t>((row * table.variants + variant) * table.features + i)]);
    squares += vector.back() * vector.back();
  }
  if (unit_length) {
    for (double& value : vector) {
      value = static_cast<float>(value / std::max(std::sqrt(squares), 1e-12));
    }
  }
  return vector;
}

float naive_distance(const FeatureTable& table, int64_t a, int64_t b, bool unit_length) {
  double sum = 0;
  for (int64_t variant = 0; variant < table.variants; ++variant) {
    const std::vector<double> left = naive_vector(table, a, variant, unit_length);
    const std::vector<double> right = naive_vector(table, b, variant, unit_length);
    double squares = 0;
    for (size_t i = 0; i < left.size(); ++i) squares += (left[i] - right[i]) * (left[i] - right[i]);
    sum += std::sqrt(squares);
  }
  return static_cast<float>(sum);
}

// Sorts everything, as anybody would.
std::vector<std::vector<int64_t>> naive_ranks(const ComparedVectors& queries,
                                              const ComparedVectors& gallery) {
  const FeatureTable& table = *queries.table;
  std::vector<std::vector<int64_t>> all;
  for (const int64_t query : queries.rows) {
    const auto q = static_cast<size_t>(query);
    std::vector<std::pair<float, int64_t>> order;
    for (const int64_t row : gallery.rows) {
      const auto r = static_cast<size_t>(row);
      if (table.identity[r] == table.identity[q] && table.camera[r] == table.camera[q]) continue;
      order.emplace_back(naive_distance(table, query, row, queries.unit_length), row);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<int64_t> ranks;
    for (size_t rank = 0; rank < order.size(); ++rank) {
      const auto r = static_cast<size_t>(order[rank].second);
      if (table.identity[r] == table.identity[q]) ranks.push_back(static_cast<int64_t>(rank));
    }
    all.push_back(ranks);
  }
  return all;
}

void expect_naive_ranks(const FeatureTable& table, int64_t queries, bool unit_length = false) {
  const ComparedVectors asked{&table, rows_from(0, queries), unit_length};
  const ComparedVectors gallery{&table, rows_from(queries / 2, table.rows), unit_length};
  const auto expected = naive_ranks(asked, gallery);
  common::SilentProgress progress;
  for (const int threads : {1, 3}) {
    EXPECT_EQ(euclidean_match_ranks(asked, gallery, threads, progress), expected);
  }
}

float normal(common::KeyedRandom& random) { return static_cast<float>(random.normal()); }

TEST(EuclideanRanksTest, AreThoseOfSortedDistances) {
  expect_naive_ranks(ranked_table(400, 1, 40, normal), 60);
}

TEST(EuclideanRanksTest, DistancesOfVariantsAdd) {
  for (const int64_t variants : {2, 5}) {
    expect_naive_ranks(ranked_table(300, variants, 24, normal), 40);
  }
}

TEST(EuclideanRanksTest, UnitLengthIsPerVariant) {
  for (const int64_t variants : {1, 3}) {
    expect_naive_ranks(ranked_table(300, variants, 24, normal), 40, true);
  }
}

// Points of a small grid: almost every distance stands many times, many are 0.
TEST(EuclideanRanksTest, EqualDistancesRankInTheGallerysOrder) {
  const auto grid = [](common::KeyedRandom& random) { return static_cast<float>(random.below(3)); };
  for (const int64_t variants : {1, 2}) {
    expect_naive_ranks(ranked_table(500, variants, 3, grid), 60);
  }
  expect_naive_ranks(ranked_table(500, 1, 2, grid), 60, true);
}

TEST(EuclideanRanksTest, AllTheSameVectorRanksInTheGallerysOrder) {
  expect_naive_ranks(ranked_table(200, 1, 8, [](auto&) { return 0.1f; }), 30);
}

// Far from the origin and near each other, where |x|^2 + |y|^2 - 2xy has nothing left to say, and
// also without the centre's help: two clouds.
TEST(EuclideanRanksTest, SmallDistancesSurviveLargeVectors) {
  expect_naive_ranks(
      ranked_table(300, 1, 16,
                   [](common::KeyedRandom& random) { return 4096 + 0.001f * normal(random); }),
      40);
  FeatureTable clouds = ranked_table(300, 1, 16, normal);
  for (int64_t row = 0; row < clouds.rows; ++row) {
    for (int64_t i = 0; i < 16; ++i) {
      float& value = clouds.values[static_cast<size_t>(row * 16 + i)];
      value = (row % 2 == 0 ? 1000.0f : -1000.0f) + 0.01f * value;
    }
  }
  expect_naive_ranks(clouds, 40);
}

// Squares overflow or underflow in float.
TEST(EuclideanRanksTest, AnySizeOfNumbersRanks) {
  for (const float scale : {1e-42f, 1e-30f, 1e-18f, 1e17f, 1e19f, 1e30f, 1e37f}) {
    for (const int64_t variants : {1, 2}) {
      SCOPED_TRACE(scale);
      expect_naive_ranks(
          ranked_table(120, variants, 9,
                       [&](common::KeyedRandom& random) { return scale * normal(random); }),
          20);
    }
  }
}

TEST(EuclideanRanksTest, OneGiantAmongTheRowsHarmsNobody) {
  FeatureTable table = ranked_table(200, 1, 8, normal);
  for (int64_t i = 0; i < 8; ++i) table.values[static_cast<size_t>(150 * 8 + i)] = 3e18f;
  expect_naive_ranks(table, 30);
}

// More than one block of the gallery, and a strip that is not full.
TEST(EuclideanRanksTest, BlocksDoNotShow) {
  const auto coarse = [](common::KeyedRandom& random) {
    return static_cast<float>(random.below(5)) / 2;
  };
  expect_naive_ranks(ranked_table(4500, 1, 5, coarse), 24);
}

TEST(EuclideanRanksTest, AQueryWithoutMatchHasNoRanks) {
  FeatureTable table = ranked_table(50, 1, 4, normal);
  table.identity[0] = 99;
  common::SilentProgress progress;
  const auto ranks = euclidean_match_ranks({&table, {0, 1}, false},
                                           {&table, rows_from(2, 50), false}, 2, progress);
  EXPECT_TRUE(ranks.at(0).empty());
  EXPECT_FALSE(ranks.at(1).empty());
}

}  // namespace
}  // namespace muster::trainer
