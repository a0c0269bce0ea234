// Ranks the queries of one feature table against the gallery of another.
#pragma once

#include <filesystem>
#include <string>

#include "common/progress_sink.h"
#include "models/metric_learning/learned_metric.h"
#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"
#include "trainer/feature_file.h"
#include "trainer/ranking_metrics.h"

namespace muster::trainer {

// Lower case, as the command line says it.
std::string metric_name(proto::Metric metric);

// Where the distances of metric MODEL, or of KISSME and XQDA, come from, and who computes.
struct DistanceSource {
  const models::Model* model = nullptr;            // not owned
  const models::LearnedMetric* learned = nullptr;  // not owned
  int threads = 1;                                 // that Euclidean and cosine distances share
  proto::Scoring settings = {};  // rerank_candidates and k_reciprocal; not the metric
  // Of a model whose distances each cost a network pass (trainer/model_distances.h): who shares
  // them, nobody if null, and where they are kept; a folder that the caller removes. If empty they
  // are not kept.
  Communicator* communicator = nullptr;  // not owned
  std::filesystem::path partial = {};
};

// Queries are rows of `queries` with the query bit; which rows of `gallery` are the gallery is the
// rules'. Junk rows among them are ignored, though they count in `gallery_size`. Distances are sums
// over variants, exact whatever the size of the vectors (trainer/euclidean_ranks.h); those that
// were `learned` (KISSME and XQDA, which need one) are between the variants' mean vectors. With
// metric MODEL they are `model`'s own, between whole signatures; the other metrics look at
// `features` alone. Throws InputError if there are no queries, no gallery, no match at all, or
// shapes do not fit. Collective where a communicator shares the work; the result is rank 0's, and
// empty on the others.
RankingResult score(const FeatureTable& queries, const FeatureTable& gallery, proto::Metric metric,
                    const datastore::ScoringRules& rules, int64_t* gallery_size,
                    common::ProgressSink& progress, const DistanceSource& source = {});

}  // namespace muster::trainer
