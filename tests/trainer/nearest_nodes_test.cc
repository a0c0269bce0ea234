#include "trainer/nearest_nodes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "common/keyed_random.h"

namespace muster::trainer {
namespace {

// Coordinates in small whole numbers have many equal distances.
FeatureTable grid_table(int64_t rows, int64_t variants, int64_t features, int64_t most,
                        uint64_t seed) {
  FeatureTable table;
  table.rows = rows;
  table.variants = variants;
  table.features = features;
  common::KeyedRandom random(seed);
  for (int64_t i = 0; i < rows * variants * features; ++i) {
    table.values.push_back(static_cast<float>(random.below(static_cast<uint64_t>(most))));
  }
  return table;
}

ComparedVectors every_second_row(const FeatureTable& table, int64_t first) {
  ComparedVectors vectors;
  vectors.table = &table;
  for (int64_t row = first; row < table.rows; row += 2) vectors.rows.push_back(row);
  return vectors;
}

// The vector of a node in double: queries first, then the gallery.
const float* plain_node(const Nodes& nodes, int64_t node) {
  const bool query = node < nodes.queries.count();
  const ComparedVectors& vectors = query ? nodes.queries : nodes.gallery;
  const int64_t row =
      vectors.rows[static_cast<size_t>(query ? node : node - nodes.queries.count())];
  return vectors.table->values.data() + row * vectors.table->variants * vectors.table->features;
}

float plain_distance(const Nodes& nodes, int64_t a, int64_t b) {
  const FeatureTable& table = *nodes.queries.table;
  const float *left = plain_node(nodes, a), *right = plain_node(nodes, b);
  double sum = 0;
  for (int64_t variant = 0; variant < table.variants; ++variant) {
    double squares = 0;
    for (int64_t i = 0; i < table.features; ++i) {
      const double difference = static_cast<double>(left[variant * table.features + i]) -
                                right[variant * table.features + i];
      squares += difference * difference;
    }
    sum += std::sqrt(squares);
  }
  return static_cast<float>(sum);
}

void expect_as_if_sorted(const Nodes& nodes, int64_t k, int threads) {
  int64_t told = 0;
  const Neighbours found = nearest_nodes(nodes, k, threads, [&](int64_t done) { told = done; });
  EXPECT_EQ(told, nodes.count());
  for (int64_t node = 0; node < nodes.count(); ++node) {
    std::vector<std::pair<float, int32_t>> order;
    for (int64_t other = 0; other < nodes.count(); ++other) {
      order.emplace_back(plain_distance(nodes, node, other), static_cast<int32_t>(other));
    }
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < k; ++i) {
      ASSERT_EQ(found.nodes[static_cast<size_t>(node * k + i)],
                order[static_cast<size_t>(i)].second)
          << "neighbour " << i << " of node " << node;
    }
    EXPECT_FLOAT_EQ(static_cast<float>(found.farthest[static_cast<size_t>(node)]),
                    order.back().first);
  }
}

TEST(NearestNodesTest, AreThoseThatSortingFindsEqualOnesInTheirOrder) {
  const FeatureTable table = grid_table(120, 1, 3, 4, 1);
  const ComparedVectors queries = every_second_row(table, 0), gallery = every_second_row(table, 1);
  const Nodes nodes{queries, gallery};
  for (const int64_t k : {1, 7, 120}) expect_as_if_sorted(nodes, k, 1);
  expect_as_if_sorted(nodes, 20, 3);
}

TEST(NearestNodesTest, DistancesOfVariantsAddUp) {
  const FeatureTable left = grid_table(30, 3, 5, 6, 2), right = grid_table(81, 3, 5, 6, 3);
  const ComparedVectors queries = every_second_row(left, 0), gallery = every_second_row(right, 1);
  expect_as_if_sorted({queries, gallery}, 11, 2);
}

// More rows than a strip, so that strips and blocks meet.
TEST(NearestNodesTest, OfManyRowsTheyAreTheSame) {
  const FeatureTable table = grid_table(2300, 1, 2, 1000, 4);
  const ComparedVectors queries = every_second_row(table, 0), gallery = every_second_row(table, 1);
  expect_as_if_sorted({queries, gallery}, 3, 2);
}

// Far from the origin a product loses most of a small distance.
TEST(NearestNodesTest, SmallDistancesFarFromTheOriginAreKept) {
  FeatureTable table = grid_table(60, 1, 8, 3, 5);
  for (float& value : table.values) value = 10000 + value / 128;
  const ComparedVectors queries = every_second_row(table, 0), gallery = every_second_row(table, 1);
  expect_as_if_sorted({queries, gallery}, 9, 1);
}

TEST(NearestNodesTest, ANodesVectorIsItsRow) {
  const FeatureTable left = grid_table(5, 2, 3, 50, 6), right = grid_table(4, 2, 3, 50, 7);
  const ComparedVectors queries = every_second_row(left, 0), gallery = every_second_row(right, 1);
  const Nodes nodes{queries, gallery};
  ASSERT_EQ(nodes.count(), 5);
  for (int64_t node = 0; node < nodes.count(); ++node) {
    const float* expected = plain_node(nodes, node);
    EXPECT_EQ(node_vector(nodes, node), std::vector<float>(expected, expected + 6)) << node;
  }
}

}  // namespace
}  // namespace muster::trainer
