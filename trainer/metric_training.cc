#include "trainer/metric_training.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "common/number_text.h"
#include "datastore/tracklet_role.h"
#include "models/metric_learning/kissme.h"
#include "models/metric_learning/xqda.h"
#include "trainer/scoring.h"

namespace muster::trainer {
namespace {

using models::LabelledVectors;

LabelledVectors training_rows(const FeatureTable& table) {
  std::vector<int64_t> rows;
  LabelledVectors training;
  for (int64_t row = 0; row < table.rows; ++row) {
    const auto index = static_cast<size_t>(row);
    if ((table.role[index] & datastore::kRoleTrain) == 0) continue;
    rows.push_back(row);
    training.identity.push_back(table.identity[index]);
    training.camera.push_back(table.camera[index]);
  }
  if (rows.empty()) {
    throw common::InputError(table.name, "has no row with the train role",
                             "extract with --role train, or name a file with --train-features");
  }
  constexpr size_t kRowsAtOnce = 512;
  std::vector<at::Tensor> means;
  for (size_t first = 0; first < rows.size(); first += kRowsAtOnce) {
    const size_t last = std::min(rows.size(), first + kRowsAtOnce);
    const at::Tensor block =
        at::empty({static_cast<int64_t>(last - first), table.variants, table.features}, at::kFloat);
    copy_rows(table, "features",
              {rows.begin() + static_cast<long>(first), rows.begin() + static_cast<long>(last)},
              block.data_ptr<float>());
    means.push_back(block.to(at::kDouble).mean(1));
  }
  training.vectors = at::cat(means);
  return training;
}

LabelledVectors part_of(const LabelledVectors& all, const std::vector<int64_t>& rows) {
  LabelledVectors part;
  part.vectors = all.vectors.index_select(0, at::tensor(rows, at::kLong));
  for (const int64_t row : rows) {
    part.identity.push_back(all.identity[static_cast<size_t>(row)]);
    part.camera.push_back(all.camera[static_cast<size_t>(row)]);
  }
  return part;
}

void demand(bool holds, const std::string& field, double value, const std::string& range) {
  if (holds) return;
  throw common::InputError("scoring.learned." + field,
                           common::number_text(value) + " is not " + range);
}

}  // namespace

bool is_learned_metric(proto::Metric metric) {
  return metric == proto::KISSME || metric == proto::XQDA;
}

models::LearnedMetric learn_metric(const FeatureTable& table, const proto::Scoring& scoring) {
  const proto::LearnedMetric& settings = scoring.learned();
  demand(settings.components() >= 1, "components", settings.components(), "at least 1");
  demand(settings.pair_stride() >= 1, "pair_stride", settings.pair_stride(), "at least 1");
  demand(settings.lambda() > 0 && std::isfinite(settings.lambda()), "lambda", settings.lambda(),
         "a number above 0");
  demand(settings.dimensions() >= 0, "dimensions", settings.dimensions(), "at least 0");
  if (table.features == 0) {
    throw common::InputError(
        table.name,
        "has no 'features', which metric " + metric_name(scoring.metric()) + " learns from",
        "name the training with --run DIR: its network makes vectors of what is there");
  }
  const LabelledVectors all = training_rows(table);
  if (scoring.metric() == proto::KISSME) {
    const models::TrainingPairs pairs = models::cross_camera_pairs(
        all.identity, all.camera, settings.pair_stride(), settings.seed(), table.name);
    return models::learn_kissme(all.vectors, pairs, settings.components(), table.name);
  }
  MUSTER_REQUIRE(scoring.metric(), ==, proto::XQDA);
  const models::TrainingViews views = models::half_views(all.identity, settings.seed());
  return models::learn_xqda(part_of(all, views.first), part_of(all, views.second),
                            {settings.lambda(), settings.dimensions()}, table.name);
}

}  // namespace muster::trainer
