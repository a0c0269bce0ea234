#include "trainer/scoring.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "common/error.h"
#include "datastore/tracklet_role.h"
#include "trainer/metric_training.h"
#include "trainer/signature_rows.h"

namespace muster::trainer {
namespace {

constexpr int64_t kQueryBlock = 64, kGalleryBlock = 1024;

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

// [variants, rows, features], unit length per vector for the cosine.
at::Tensor selected(const FeatureTable& table, const std::vector<int64_t>& rows,
                    proto::Metric metric) {
  const at::Tensor all = at::from_blob(const_cast<float*>(table.values.data()),
                                       {table.rows, table.variants, table.features}, at::kFloat);
  const at::Tensor index = at::tensor(rows, at::kLong);
  const at::Tensor values = all.index_select(0, index).transpose(0, 1).contiguous();
  if (metric != proto::COSINE) return values;
  return values / values.norm(2, 2, true).clamp_min(1e-12);
}

// [queries, gallery] of a block. Both metrics rank by a Euclidean distance: on unit vectors it
// orders as the cosine does.
at::Tensor distances(const at::Tensor& queries, const at::Tensor& gallery) {
  return at::cdist(queries, gallery, 2.0, 2 /* never the matrix trick: it loses small distances */)
      .sum(0)
      .contiguous();
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
// Distances of blocks of queries to the same gallery.
class GalleryDistances {
 public:
  GalleryDistances(const at::Tensor& gallery, const models::LearnedMetric* learned)
      : learned_(learned) {
    if (learned == nullptr) {
      gallery_ = gallery;
    } else {
      coordinates_ = models::coordinates(*learned, gallery.mean(0));
    }
  }
  // `queries` [variants, queries, features]; float32.
  at::Tensor of(const at::Tensor& queries) const {
    if (learned_ == nullptr) return distances(queries, gallery_);
    return models::metric_distance(models::coordinates(*learned_, queries.mean(0)), coordinates_)
        .to(at::kFloat)
        .contiguous();
  }

 private:
  const models::LearnedMetric* learned_;  // not owned; may be null
  at::Tensor gallery_;
  models::MetricCoordinates coordinates_;
};

}  // namespace

std::string metric_name(proto::Metric metric) {
  std::string name = proto::Metric_Name(metric);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return name;
}

RankingResult score(const FeatureTable& queries, const FeatureTable& gallery, proto::Metric metric,
                    const datastore::ScoringRules& rules, int64_t* gallery_size,
                    common::ProgressSink& progress, const DistanceSource& source) {
  MUSTER_REQUIRE(is_learned_metric(metric), ==, source.learned != nullptr);
  require_alike(queries, gallery, metric, source.model != nullptr);
  const std::vector<int64_t> query_rows = rows_with(queries, datastore::kRoleQuery);
  const std::vector<int64_t> gallery_rows = gallery_rows_of(gallery, rules.gallery);
  if (query_rows.empty()) throw common::InputError(queries.name, "has no row with the query role");
  if (gallery_rows.empty())
    throw common::InputError(gallery.name, "has no row with the gallery role");
  std::vector<GalleryItem> items;
  for (const int64_t row : gallery_rows) {
    const auto index = static_cast<size_t>(row);
    items.push_back({gallery.identity[index], gallery.camera[index],
                     (gallery.role[index] & datastore::kRoleJunk) != 0});
  }
  RankingMetrics metrics(std::move(items), rules);
  *gallery_size = static_cast<int64_t>(gallery_rows.size());
  const bool by_model = metric == proto::MODEL;
  const GalleryDistances gallery_distances(
      by_model ? at::Tensor() : selected(gallery, gallery_rows, metric), source.learned);
  std::unique_ptr<ModelDistances> model_distances;
  if (by_model) {
    model_distances = std::make_unique<ModelDistances>(*source.model, gallery, gallery_rows);
  }
  progress.begin("scoring", "queries", static_cast<int64_t>(query_rows.size()));
  for (size_t first = 0; first < query_rows.size(); first += kQueryBlock) {
    const size_t last = std::min(query_rows.size(), first + kQueryBlock);
    const std::vector<int64_t> block(query_rows.begin() + static_cast<long>(first),
                                     query_rows.begin() + static_cast<long>(last));
    const at::Tensor rows = by_model ? model_distances->of(queries, block)
                                     : gallery_distances.of(selected(queries, block, metric));
    for (size_t i = 0; i < block.size(); ++i) {
      const auto index = static_cast<size_t>(block[i]);
      metrics.add_query(queries.identity[index], queries.camera[index],
                        rows[static_cast<int64_t>(i)].data_ptr<float>());
    }
    progress.advance(static_cast<int64_t>(last));
  }
  progress.end();
  RankingResult result = metrics.result();
  if (result.queries_without_match == static_cast<int64_t>(query_rows.size())) {
    throw common::InputError(queries.name, "no query has a match in the gallery");
  }
  return result;
}

}  // namespace muster::trainer
