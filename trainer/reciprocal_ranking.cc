#include "trainer/reciprocal_ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/error.h"
#include "common/number_text.h"
#include "trainer/exact_distance.h"
#include "trainer/nearest_nodes.h"

namespace muster::trainer {
namespace {

struct Weight {
  int32_t node = 0;
  float value = 0;
};
using SparseRow = std::vector<Weight>;  // ascending nodes

void demand_of_k_reciprocal(bool holds, const std::string& field, double value,
                            const std::string& range) {
  if (holds) return;
  throw common::InputError("scoring.k_reciprocal." + field,
                           common::number_text(value) + " is not " + range);
}

class ReciprocalSets {
 public:
  ReciprocalSets(const Nodes& nodes, const proto::KReciprocal& settings, int threads,
                 const std::function<void(int64_t)>& told)
      : nodes_(nodes),
        count_(nodes.count()),
        kept_(std::min<int64_t>(std::max<int64_t>(int64_t{settings.k1()} + 1, settings.k2()),
                                count_)),
        neighbours_(nearest_nodes(nodes, kept_, threads, told)) {}

  // [N(node, k)]; k may exceed what is there.
  std::pair<const int32_t*, const int32_t*> nearest(int64_t node, int64_t k) const {
    const int32_t* begin = neighbours_.nodes.data() + node * kept_;
    return {begin, begin + std::min(k, kept_)};
  }

  // (2), ascending.
  std::vector<int32_t> mutual(int64_t node, int64_t k) const {
    std::vector<int32_t> result;
    const auto [begin, end] = nearest(node, k + 1);
    for (const int32_t* other = begin; other != end; ++other) {
      const auto [theirs, last] = nearest(*other, k + 1);
      if (std::find(theirs, last, static_cast<int32_t>(node)) != last) result.push_back(*other);
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  // (3), ascending.
  std::vector<int32_t> expanded(int64_t node, int64_t k1) const {
    const std::vector<int32_t> own = mutual(node, k1);
    const auto half = static_cast<int64_t>(std::nearbyint(static_cast<double>(k1) / 2));
    std::vector<int32_t> all = own;
    for (const int32_t other : own) {
      const std::vector<int32_t> theirs = mutual(other, half);
      std::vector<int32_t> common;
      std::set_intersection(own.begin(), own.end(), theirs.begin(), theirs.end(),
                            std::back_inserter(common));
      if (3 * common.size() < 2 * theirs.size()) continue;
      all.insert(all.end(), theirs.begin(), theirs.end());
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  // (7)
  SparseRow weights(int64_t node, int64_t k1) const {
    const std::vector<float> own = node_vector(nodes_, node);
    const FeatureTable& table = *nodes_.queries.table;
    SparseRow row;
    for (const int32_t other : expanded(node, k1)) {
      const double distance = distance_over_variants(own.data(), node_vector(nodes_, other).data(),
                                                     table.variants, table.features);
      row.push_back({other, static_cast<float>(std::exp(-normalised(node, distance)))});
    }
    return row;
  }

  // d of a distance from `node`.
  double normalised(int64_t node, double distance) const {
    const double farthest = neighbours_.farthest[static_cast<size_t>(node)];
    const double share = farthest > 0 ? distance / farthest : 0;
    return share * share;
  }

 private:
  const Nodes& nodes_;
  const int64_t count_, kept_;
  const Neighbours neighbours_;
};

// (11)
std::vector<SparseRow> averaged(const ReciprocalSets& sets, const std::vector<SparseRow>& rows,
                                int64_t k2) {
  std::vector<SparseRow> result(rows.size());
  std::vector<double> sums(rows.size(), 0);
  for (size_t node = 0; node < rows.size(); ++node) {
    const auto [begin, end] = sets.nearest(static_cast<int64_t>(node), k2);
    std::vector<int32_t> touched;
    for (const int32_t* other = begin; other != end; ++other) {
      for (const Weight& weight : rows[static_cast<size_t>(*other)]) {
        double& sum = sums[static_cast<size_t>(weight.node)];
        if (sum == 0) touched.push_back(weight.node);
        sum += static_cast<double>(weight.value);
      }
    }
    std::sort(touched.begin(), touched.end());
    for (const int32_t other : touched) {
      double& sum = sums[static_cast<size_t>(other)];
      result[node].push_back({other, static_cast<float>(sum / static_cast<double>(end - begin))});
      sum = 0;
    }
  }
  return result;
}

// (10) of one query to the gallery, by lists of who has weight where.
class JaccardDistances {
 public:
  JaccardDistances(const std::vector<SparseRow>& rows, int64_t queries)
      : rows_(rows), queries_(queries), holders_(rows.size()) {
    for (size_t node = 0; node < rows.size(); ++node) {
      double total = 0;
      for (const Weight& weight : rows[node]) {
        total += static_cast<double>(weight.value);
        if (static_cast<int64_t>(node) < queries) continue;
        holders_[static_cast<size_t>(weight.node)].push_back(
            {static_cast<int32_t>(static_cast<int64_t>(node) - queries), weight.value});
      }
      totals_.push_back(total);
    }
  }

  std::vector<double> of(int64_t query) const {
    const size_t gallery = rows_.size() - static_cast<size_t>(queries_);
    std::vector<double> distances(gallery, 0);  // sums of minima first
    for (const Weight& weight : rows_[static_cast<size_t>(query)]) {
      for (const Weight& holder : holders_[static_cast<size_t>(weight.node)]) {
        distances[static_cast<size_t>(holder.node)] +=
            static_cast<double>(std::min(weight.value, holder.value));
      }
    }
    for (size_t i = 0; i < gallery; ++i) {
      const double both =
          totals_[static_cast<size_t>(query)] + totals_[static_cast<size_t>(queries_) + i];
      distances[i] = 1 - distances[i] / (both - distances[i]);
    }
    return distances;
  }

 private:
  const std::vector<SparseRow>& rows_;
  const int64_t queries_;
  std::vector<SparseRow> holders_;  // of each node: gallery items with a weight for it
  std::vector<double> totals_;
};

}  // namespace

void rank_reciprocally(const ComparedVectors& queries, const ComparedVectors& gallery,
                       const std::vector<GalleryItem>& items, const proto::KReciprocal& settings,
                       int threads, common::ProgressSink& progress, RankingMetrics& metrics) {
  demand_of_k_reciprocal(settings.k1() >= 1, "k1", settings.k1(), "at least 1");
  demand_of_k_reciprocal(settings.k2() >= 1, "k2", settings.k2(), "at least 1");
  demand_of_k_reciprocal(settings.lambda() >= 0 && settings.lambda() <= 1, "lambda",
                         settings.lambda(), "in [0, 1]");
  const Nodes nodes{queries, gallery};
  progress.begin("looking for neighbours", "tracklets", nodes.count());
  const ReciprocalSets sets(nodes, settings, threads,
                            [&](int64_t done) { progress.advance(done); });
  progress.end();
  std::vector<SparseRow> rows;
  for (int64_t node = 0; node < nodes.count(); ++node) {
    rows.push_back(sets.weights(node, settings.k1()));
  }
  rows = averaged(sets, rows, settings.k2());
  const JaccardDistances jaccard(rows, queries.count());
  constexpr int64_t kQueriesAtOnce = 64;
  progress.begin("scoring", "queries", queries.count());
  for (int64_t first = 0; first < queries.count(); first += kQueriesAtOnce) {
    const int64_t count = std::min(kQueriesAtOnce, queries.count() - first);
    const std::vector<float> original = exact_distances(queries, first, count, gallery, threads);
    for (int64_t i = 0; i < count; ++i) {
      const std::vector<double> mixed = jaccard.of(first + i);
      std::vector<float> ranked(items.size(), std::numeric_limits<float>::infinity());
      size_t seen = 0;
      for (size_t item = 0; item < items.size(); ++item) {
        if (items[item].ignored) continue;
        const double far =
            static_cast<double>(original[static_cast<size_t>(i * gallery.count()) + seen]);
        ranked[item] = static_cast<float>((1 - settings.lambda()) * mixed[seen] +
                                          settings.lambda() * sets.normalised(first + i, far));
        ++seen;
      }
      const auto row = static_cast<size_t>(queries.rows[static_cast<size_t>(first + i)]);
      metrics.add_query(queries.table->identity[row], queries.table->camera[row], ranked.data());
    }
    progress.advance(first + count);
  }
  progress.end();
}

}  // namespace muster::trainer
