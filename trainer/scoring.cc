#include "trainer/scoring.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "common/error.h"
#include "datastore/tracklet_role.h"
#include "trainer/euclidean_ranks.h"
#include "trainer/metric_training.h"
#include "trainer/model_distances.h"
#include "trainer/reciprocal_ranking.h"
#include "trainer/signature_rows.h"

namespace muster::trainer {
namespace {

constexpr int64_t kQueryBlock = 64, kGalleryBlock = 1024;
constexpr size_t kLearnedBlock = 512;

std::vector<int64_t> rows_with(const FeatureTable& table, int32_t roles) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < table.rows; ++row) {
    if ((table.role[static_cast<size_t>(row)] & roles) != 0) rows.push_back(row);
  }
  return rows;
}

std::vector<int64_t> gallery_rows_of(const FeatureTable& table, datastore::GalleryRule rule) {
  constexpr int32_t kMarked = datastore::kRoleGallery | datastore::kRoleDistractor;
  if (rule == datastore::GalleryRule::kWithQueries) {
    return rows_with(table, kMarked | datastore::kRoleQuery);
  }
  std::vector<int64_t> rows = rows_with(table, kMarked);
  if (rule == datastore::GalleryRule::kWithoutQueries) {
    constexpr int32_t kLeftOut = datastore::kRoleQuery | datastore::kRoleJunk;
    const auto left_out = [&](int64_t row) {
      return (table.role[static_cast<size_t>(row)] & kLeftOut) != 0;
    };
    rows.erase(std::remove_if(rows.begin(), rows.end(), left_out), rows.end());
  }
  return rows;
}

// Distances of blocks of queries to the same gallery, by the network itself.
class ModelDistances {
 public:
  ModelDistances(const models::Model& model, const FeatureTable& gallery,
                 const std::vector<int64_t>& rows)
      : model_(model), gallery_(gallery), rows_(rows) {
    if (model.wants_whole_gallery()) whole_ = signature_rows(gallery, rows);
  }
  // [queries, gallery], float32.
  at::Tensor of(const FeatureTable& queries, const std::vector<int64_t>& query_rows) const {
    const at::NoGradGuard no_gradients;
    const models::Signature query = signature_rows(queries, query_rows);
    std::vector<at::Tensor> blocks;
    try {
      if (!whole_.empty()) {
        blocks.push_back(model_.distance(query, whole_));
      } else {
        for (size_t first = 0; first < rows_.size(); first += kGalleryBlock) {
          blocks.push_back(model_.distance(query, gallery_block(first)));
        }
      }
    } catch (const std::out_of_range&) {
      throw common::InputError(queries.name, "lacks a tensor that the network's distance reads",
                               "extract the features with the run that --run names");
    }
    return at::cat(blocks, 1).to(at::kFloat).contiguous();
  }

 private:
  models::Signature gallery_block(size_t first) const {
    const size_t last = std::min(rows_.size(), first + kGalleryBlock);
    return signature_rows(gallery_, {rows_.begin() + static_cast<long>(first),
                                     rows_.begin() + static_cast<long>(last)});
  }

  const models::Model& model_;
  const FeatureTable& gallery_;
  const std::vector<int64_t>& rows_;
  models::Signature whole_;  // empty: blocks are made anew for every block of queries
};

void require_alike(const FeatureTable& queries, const FeatureTable& gallery, proto::Metric metric,
                   bool has_model) {
  bool alike = queries.variants == gallery.variants && queries.features == gallery.features &&
               queries.further.size() == gallery.further.size();
  for (const auto& [name, tensor] : queries.further) {
    const auto other = gallery.further.find(name);
    alike = alike && other != gallery.further.end() && other->second.shape == tensor.shape;
  }
  if (!alike) {
    throw common::InputError(gallery.name, "has vectors of another shape than " + queries.name);
  }
  if (metric == proto::MODEL) {
    MUSTER_REQUIRE(has_model, ==, true);
  } else if (queries.features == 0) {
    throw common::InputError(queries.name,
                             "has no 'features', which metric " + metric_name(metric) + " compares",
                             "score with --metric model --run DIR");
  }
}

// Rows in the coordinates of a learned metric, between the means of their variants.
models::MetricCoordinates coordinates_of(const models::LearnedMetric& learned,
                                         const FeatureTable& table,
                                         const std::vector<int64_t>& rows) {
  std::vector<at::Tensor> plus, minus;
  for (size_t first = 0; first < rows.size(); first += kLearnedBlock) {
    const size_t last = std::min(rows.size(), first + kLearnedBlock);
    const std::vector<int64_t> some(rows.begin() + static_cast<long>(first),
                                    rows.begin() + static_cast<long>(last));
    const at::Tensor block =
        at::empty({static_cast<int64_t>(some.size()), table.variants, table.features}, at::kFloat);
    copy_rows(table, "features", some, block.data_ptr<float>());
    models::MetricCoordinates part = models::coordinates(learned, block.mean(1));
    plus.push_back(part.plus);
    minus.push_back(part.minus);
  }
  return {at::cat(plus), at::cat(minus)};
}

// Distances of blocks of queries to the same gallery, learned.
class LearnedDistances {
 public:
  LearnedDistances(const models::LearnedMetric& learned, const FeatureTable& gallery,
                   const std::vector<int64_t>& rows)
      : learned_(learned), gallery_(coordinates_of(learned, gallery, rows)) {}
  // [queries, gallery], float32.
  at::Tensor of(const FeatureTable& queries, const std::vector<int64_t>& rows) const {
    return models::metric_distance(coordinates_of(learned_, queries, rows), gallery_)
        .to(at::kFloat)
        .contiguous();
  }

 private:
  const models::LearnedMetric& learned_;
  const models::MetricCoordinates gallery_;
};

}  // namespace

std::string metric_name(proto::Metric metric) {
  std::string name = proto::Metric_Name(metric);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return name;
}

namespace {

struct Compared {
  const FeatureTable& queries;
  const FeatureTable& gallery;
  std::vector<int64_t> query_rows, gallery_rows;
};

bool is_junk(const FeatureTable& table, int64_t row) {
  return (table.role[static_cast<size_t>(row)] & datastore::kRoleJunk) != 0;
}

std::vector<GalleryItem> gallery_items(const Compared& compared) {
  std::vector<GalleryItem> items;
  for (const int64_t row : compared.gallery_rows) {
    const auto index = static_cast<size_t>(row);
    items.push_back({compared.gallery.identity[index], compared.gallery.camera[index],
                     is_junk(compared.gallery, row)});
  }
  return items;
}

void rank_by_vectors(const Compared& compared, proto::Metric metric, const DistanceSource& source,
                     common::ProgressSink& progress, RankingMetrics& metrics) {
  const bool unit_length = metric == proto::COSINE;
  const ComparedVectors queries{&compared.queries, compared.query_rows, unit_length};
  ComparedVectors gallery{&compared.gallery, {}, unit_length};
  for (const int64_t row : compared.gallery_rows) {
    if (!is_junk(compared.gallery, row)) gallery.rows.push_back(row);
  }
  if (source.settings.has_k_reciprocal()) {
    rank_reciprocally(queries, gallery, gallery_items(compared), source.settings.k_reciprocal(),
                      source.threads, progress, metrics);
    return;
  }
  progress.begin("scoring", "queries", queries.count());
  for (const auto& ranks : euclidean_match_ranks(queries, gallery, source.threads, progress)) {
    metrics.add_ranks(ranks);
  }
  progress.end();
}

// `distances`.of(table, rows) are those of a block of queries.
template <typename Distances>
void rank_by_blocks(const Compared& compared, const Distances& distances,
                    common::ProgressSink& progress, RankingMetrics& metrics) {
  const std::vector<int64_t>& rows = compared.query_rows;
  progress.begin("scoring", "queries", static_cast<int64_t>(rows.size()));
  for (size_t first = 0; first < rows.size(); first += kQueryBlock) {
    const size_t last = std::min(rows.size(), first + kQueryBlock);
    const std::vector<int64_t> block(rows.begin() + static_cast<long>(first),
                                     rows.begin() + static_cast<long>(last));
    const at::Tensor to_gallery = distances.of(compared.queries, block);
    for (size_t i = 0; i < block.size(); ++i) {
      const auto index = static_cast<size_t>(block[i]);
      metrics.add_query(compared.queries.identity[index], compared.queries.camera[index],
                        to_gallery[static_cast<int64_t>(i)].data_ptr<float>());
    }
    progress.advance(static_cast<int64_t>(last));
  }
  progress.end();
}

Compared rows_to_compare(const FeatureTable& queries, const FeatureTable& gallery,
                         const datastore::ScoringRules& rules) {
  Compared compared{queries, gallery, rows_with(queries, datastore::kRoleQuery),
                    gallery_rows_of(gallery, rules.gallery)};
  if (compared.query_rows.empty()) {
    throw common::InputError(queries.name, "has no row with the query role");
  }
  if (compared.gallery_rows.empty()) {
    throw common::InputError(gallery.name, "has no row with the gallery role");
  }
  return compared;
}

RankingResult matched_result(const RankingMetrics& metrics, const Compared& compared) {
  RankingResult result = metrics.result();
  if (result.queries_without_match == static_cast<int64_t>(compared.query_rows.size())) {
    throw common::InputError(compared.queries.name, "no query has a match in the gallery");
  }
  return result;
}

// Whether ranks share the distances and keep them.
bool is_shared(proto::Metric metric, const DistanceSource& source) {
  return metric == proto::MODEL && source.communicator != nullptr && !source.partial.empty() &&
         (compares_pairwise(*source.model) || source.settings.rerank_candidates() > 0);
}

void rank_by_pairs(const Compared& compared, const DistanceSource& source,
                   common::ProgressSink& progress, RankingMetrics& metrics) {
  const int64_t candidates = source.settings.rerank_candidates();
  if (candidates > 0 && compared.queries.features == 0) {
    throw common::InputError("scoring.rerank_candidates",
                             compared.queries.name + " has no 'features' that choose candidates");
  }
  if (candidates > 0 && source.model->wants_whole_gallery()) {
    throw common::InputError("scoring.rerank_candidates",
                             "the network's settings already let it re-rank candidates of its own",
                             "set one of both to 0");
  }
  const std::vector<GalleryItem> items = gallery_items(compared);
  rank_pairwise({*source.model, compared.queries, compared.gallery, compared.query_rows,
                 compared.gallery_rows, items, candidates, source.threads},
                source.partial, *source.communicator, progress, metrics);
}

}  // namespace

RankingResult score(const FeatureTable& queries, const FeatureTable& gallery, proto::Metric metric,
                    const datastore::ScoringRules& rules, int64_t* gallery_size,
                    common::ProgressSink& progress, const DistanceSource& source) {
  MUSTER_REQUIRE(is_learned_metric(metric), ==, source.learned != nullptr);
  require_alike(queries, gallery, metric, source.model != nullptr);
  const Compared compared = rows_to_compare(queries, gallery, rules);
  RankingMetrics metrics(gallery_items(compared), rules);
  *gallery_size = static_cast<int64_t>(compared.gallery_rows.size());
  if (source.communicator != nullptr && source.communicator->rank() > 0 &&
      !is_shared(metric, source)) {
    return {};
  }
  if (is_shared(metric, source)) {
    rank_by_pairs(compared, source, progress, metrics);
    if (source.communicator->rank() > 0) return {};
    return matched_result(metrics, compared);
  }
  if (metric == proto::MODEL) {
    const ModelDistances distances(*source.model, gallery, compared.gallery_rows);
    rank_by_blocks(compared, distances, progress, metrics);
  } else if (source.learned != nullptr) {
    const LearnedDistances distances(*source.learned, gallery, compared.gallery_rows);
    rank_by_blocks(compared, distances, progress, metrics);
  } else {
    rank_by_vectors(compared, metric, source, progress, metrics);
  }
  return matched_result(metrics, compared);
}

}  // namespace muster::trainer
