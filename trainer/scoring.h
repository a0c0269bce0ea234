// Ranks the queries of one feature table against the gallery of another.
#pragma once

#include "common/progress_sink.h"
#include "proto/experiment.pb.h"
#include "trainer/feature_file.h"
#include "trainer/ranking_metrics.h"

namespace muster::trainer {

// Lower case, as the command line says it.
std::string metric_name(proto::Metric metric);

// Queries are rows of `queries` with the query bit, the gallery rows of `gallery` with the gallery
// or distractor bit; junk rows are ignored. Distances are sums over variants, computed in blocks of
// queries. Throws InputError if there are no queries, no gallery, or shapes do not fit.
RankingResult score(const FeatureTable& queries, const FeatureTable& gallery, proto::Metric metric,
                    int64_t* gallery_size, common::ProgressSink& progress);

}  // namespace muster::trainer
