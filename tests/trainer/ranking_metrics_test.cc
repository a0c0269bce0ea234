#include "trainer/ranking_metrics.h"

#include <gtest/gtest.h>

#include "common/keyed_random.h"

namespace muster::trainer {
namespace {

using datastore::AveragePrecision;
using datastore::ScoringRules;
using datastore::UnmatchedQueries;

ScoringRules trapezoid() {
  ScoringRules rules;
  rules.average_precision = AveragePrecision::kTrapezoid;
  return rules;
}

ScoringRules missed_counts() {
  ScoringRules rules;
  rules.unmatched = UnmatchedQueries::kMissed;
  return rules;
}

// Query of identity 1 under camera 1 against what the gallery holds.
RankingResult ranked(const std::vector<GalleryItem>& gallery, const std::vector<float>& distances,
                     const ScoringRules& rules = {}) {
  RankingMetrics metrics(gallery, rules);
  metrics.add_query(1, 1, distances.data());
  return metrics.result();
}

// Order by distance: 2 (wrong), 0 (right), 3 (wrong), 1 (right).
TEST(RankingMetricsTest, OneQueryWorkedByHand) {
  const RankingResult result = ranked({{1, 2}, {1, 2}, {5, 2}, {6, 2}}, {0.2f, 0.4f, 0.1f, 0.3f});
  EXPECT_EQ(result.cmc, (std::vector<double>{0, 1, 1, 1}));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, (1.0 / 2 + 2.0 / 4) / 2);
  EXPECT_EQ(result.queries, 1);
}

// The same order: P(1) = 0 before the match at rank 2, P(3) = 1/3 before the one at rank 4.
TEST(RankingMetricsTest, TheTrapezoidWorkedByHand) {
  const RankingResult result =
      ranked({{1, 2}, {1, 2}, {5, 2}, {6, 2}}, {0.2f, 0.4f, 0.1f, 0.3f}, trapezoid());
  EXPECT_EQ(result.cmc, (std::vector<double>{0, 1, 1, 1}));
  EXPECT_DOUBLE_EQ(result.mean_average_precision,
                   ((0 + 1.0 / 2) / 2 + (1.0 / 3 + 2.0 / 4) / 2) / 2);
}

TEST(RankingMetricsTest, TheTrapezoidBeginsAtOne) {
  EXPECT_DOUBLE_EQ(ranked({{1, 2}, {2, 2}}, {1, 2}, trapezoid()).mean_average_precision, 1);
  EXPECT_DOUBLE_EQ(ranked({{2, 2}, {1, 2}}, {1, 2}, trapezoid()).mean_average_precision, 0.25);
}

TEST(RankingMetricsTest, TheTrapezoidPassesOverWhatIsIgnored) {
  const std::vector<GalleryItem> gallery = {{1, 1}, {9, 2, true}, {1, 2}, {2, 2}};
  EXPECT_DOUBLE_EQ(ranked(gallery, {1, 2, 3, 4}, trapezoid()).mean_average_precision, 1);
}

TEST(RankingMetricsTest, QueriesAreAveraged) {
  RankingMetrics metrics({{1, 2}, {2, 2}});
  const float first[] = {0.1f, 0.2f};   // right at once
  const float second[] = {0.1f, 0.2f};  // right at rank 2
  metrics.add_query(1, 1, first);
  metrics.add_query(2, 1, second);
  EXPECT_EQ(metrics.result().cmc, (std::vector<double>{0.5, 1}));
  EXPECT_DOUBLE_EQ(metrics.result().mean_average_precision, (1 + 0.5) / 2);
}

TEST(RankingMetricsTest, PerfectOrderGivesOne) {
  const RankingResult result = ranked({{1, 2}, {1, 3}, {2, 2}}, {1, 2, 3});
  EXPECT_EQ(result.cmc, (std::vector<double>{1, 1, 1}));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 1);
}

TEST(RankingMetricsTest, EqualDistancesRankInTheGallerysOrder) {
  EXPECT_EQ(ranked({{2, 2}, {1, 2}}, {1, 1}).cmc, (std::vector<double>{0, 1}));
  EXPECT_EQ(ranked({{1, 2}, {2, 2}}, {1, 1}).cmc, (std::vector<double>{1, 1}));
}

TEST(RankingMetricsTest, TheQuerysOwnViewIsIgnored) {
  const RankingResult result = ranked({{1, 1}, {1, 2}, {2, 1}}, {0.1f, 0.3f, 0.2f});
  EXPECT_EQ(result.cmc, (std::vector<double>{0, 1, 1}));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 0.5);
}

TEST(RankingMetricsTest, AnotherIdentityUnderTheSameCameraCounts) {
  EXPECT_EQ(ranked({{2, 1}, {1, 2}}, {0.1f, 0.2f}).cmc, (std::vector<double>{0, 1}));
}

TEST(RankingMetricsTest, JunkIsAsIfItWereNotThere) {
  const RankingResult result =
      ranked({{1, 2, true}, {2, 2, true}, {1, 2, false}}, {0.1f, 0.2f, 0.3f});
  EXPECT_EQ(result.cmc[0], 1);
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 1);
}

TEST(RankingMetricsTest, AQueryWithoutMatchIsCountedApart) {
  RankingMetrics metrics({{1, 2}, {2, 2}});
  const float distances[] = {0.1f, 0.2f};
  metrics.add_query(7, 1, distances);
  metrics.add_query(1, 1, distances);
  const RankingResult result = metrics.result();
  EXPECT_EQ(result.queries, 1);
  EXPECT_EQ(result.queries_without_match, 1);
  EXPECT_EQ(result.cmc, (std::vector<double>{1, 1}));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 1);
}

TEST(RankingMetricsTest, AQueryWithoutMatchMayCountAsMissed) {
  RankingMetrics metrics({{1, 2}, {2, 2}}, missed_counts());
  const float distances[] = {0.1f, 0.2f};
  metrics.add_query(7, 1, distances);
  metrics.add_query(1, 1, distances);
  const RankingResult result = metrics.result();
  EXPECT_EQ(result.queries, 2);
  EXPECT_EQ(result.queries_without_match, 1);
  EXPECT_EQ(result.cmc, (std::vector<double>{0.5, 0.5}));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 0.5);
}

// One gallery item per person: the curve is the share of probes whose one match is near enough, and
// the mean of the precisions is that of the reciprocal ranks.
TEST(RankingMetricsTest, OfTwoCamerasTheCurveIsTheMeanOverProbes) {
  constexpr int kPersons = 25;
  common::KeyedRandom random(3);
  std::vector<GalleryItem> gallery;
  for (int person = 1; person <= kPersons; ++person) gallery.push_back({person, 2});
  RankingMetrics metrics(gallery);
  std::vector<double> within(kPersons, 0);
  double reciprocal_ranks = 0;
  for (int person = 1; person <= kPersons; ++person) {
    std::vector<float> distances;
    for (int i = 0; i < kPersons; ++i) distances.push_back(static_cast<float>(random.uniform()));
    metrics.add_query(person, 1, distances.data());
    int rank = 1;
    for (const float distance : distances) {
      rank += distance < distances[static_cast<size_t>(person - 1)] ? 1 : 0;
    }
    for (int k = rank; k <= kPersons; ++k) within[static_cast<size_t>(k - 1)] += 1.0 / kPersons;
    reciprocal_ranks += 1.0 / rank;
  }
  const RankingResult result = metrics.result();
  ASSERT_EQ(result.cmc.size(), within.size());
  for (size_t k = 0; k < within.size(); ++k) EXPECT_NEAR(result.cmc[k], within[k], 1e-12) << k;
  EXPECT_NEAR(result.mean_average_precision, reciprocal_ranks / kPersons, 1e-12);
}

TEST(RankingMetricsTest, OnlyUnmatchedQueriesGiveNoCurve) {
  RankingMetrics metrics({{1, 1}});
  const float distance = 0;
  metrics.add_query(1, 1, &distance);
  EXPECT_EQ(metrics.result().queries, 0);
  EXPECT_EQ(metrics.result().queries_without_match, 1);
  EXPECT_TRUE(metrics.result().cmc.empty());
}

TEST(RankingMetricsTest, TheCurveHasAtMostFiftyEntries) {
  std::vector<GalleryItem> gallery(80, GalleryItem{2, 2});
  gallery[60] = {1, 2};
  std::vector<float> distances(80);
  for (size_t i = 0; i < distances.size(); ++i) distances[i] = static_cast<float>(i);
  const RankingResult result = ranked(gallery, distances);
  EXPECT_EQ(result.cmc, std::vector<double>(50, 0));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 1.0 / 61);
}

struct Query {
  int32_t identity, camera;
  std::vector<float> distances;
};

// Every rank is counted by comparing with every other item.
RankingResult naive_ranking(const std::vector<GalleryItem>& gallery,
                            const std::vector<Query>& queries, bool trapezoid) {
  RankingResult result;
  std::vector<double> first_matches(gallery.size(), 0);
  for (const Query& query : queries) {
    const auto counts = [&](size_t i) {
      return !gallery[i].ignored &&
             !(gallery[i].identity == query.identity && gallery[i].camera == query.camera);
    };
    double precision = 0, matches = 0;
    size_t best = gallery.size();
    for (size_t item = 0; item < gallery.size(); ++item) {
      if (!counts(item) || gallery[item].identity != query.identity) continue;
      size_t before = 0, right_before = 0;
      for (size_t other = 0; other < gallery.size(); ++other) {
        const bool closer = query.distances[other] < query.distances[item] ||
                            (query.distances[other] == query.distances[item] && other < item);
        if (!counts(other) || !closer) continue;
        ++before;
        right_before += gallery[other].identity == query.identity ? 1 : 0;
      }
      const auto share = [](size_t right, size_t of) {
        return of == 0 ? 1 : static_cast<double>(right) / static_cast<double>(of);
      };
      const double here = share(right_before + 1, before + 1);
      precision += trapezoid ? 0.5 * here + 0.5 * share(right_before, before) : here;
      ++matches;
      best = std::min(best, before);
    }
    ++(matches > 0 ? result.queries : result.queries_without_match);
    if (matches == 0) continue;
    result.mean_average_precision += precision / matches;
    ++first_matches[best];
  }
  const auto queries_counted = static_cast<double>(result.queries);
  result.mean_average_precision /= queries_counted;
  double matched = 0;
  for (size_t rank = 0; rank < std::min<size_t>(50, gallery.size()); ++rank) {
    result.cmc.push_back((matched += first_matches[rank]) / queries_counted);
  }
  return result;
}

// Distances are small whole numbers, so that many are equal.
void expect_equals_counting_ranks(const ScoringRules& rules) {
  common::KeyedRandom random(17);
  const auto below = [&](uint64_t bound) { return static_cast<int32_t>(random.below(bound)); };
  std::vector<GalleryItem> gallery;
  for (int i = 0; i < 70; ++i) gallery.push_back({below(12), below(3), below(10) == 0});
  std::vector<Query> queries;
  RankingMetrics metrics(gallery, rules);
  for (int i = 0; i < 40; ++i) {
    Query query{below(14), below(3), {}};
    for (size_t item = 0; item < gallery.size(); ++item) {
      query.distances.push_back(static_cast<float>(below(20)));
    }
    metrics.add_query(query.identity, query.camera, query.distances.data());
    queries.push_back(std::move(query));
  }
  const RankingResult result = metrics.result();
  const RankingResult naive =
      naive_ranking(gallery, queries, rules.average_precision == AveragePrecision::kTrapezoid);
  EXPECT_EQ(result.queries, naive.queries);
  EXPECT_GT(result.queries_without_match, 0);
  EXPECT_EQ(result.queries_without_match, naive.queries_without_match);
  EXPECT_EQ(result.cmc, naive.cmc);
  EXPECT_NEAR(result.mean_average_precision, naive.mean_average_precision, 1e-12);
}

TEST(RankingMetricsTest, EqualsCountingRanksOnRandomData) { expect_equals_counting_ranks({}); }

TEST(RankingMetricsTest, TheTrapezoidEqualsCountingRanksOnRandomData) {
  expect_equals_counting_ranks(trapezoid());
}

}  // namespace
}  // namespace muster::trainer
