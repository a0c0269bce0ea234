// Metrics that scoring learns from the training tracklets' features.
#pragma once

#include "models/metric_learning/learned_metric.h"
#include "proto/experiment.pb.h"
#include "trainer/feature_file.h"

namespace muster::trainer {

bool is_learned_metric(proto::Metric metric);

// From the rows of `table` with the train role, the mean of each row's variants: scoring.metric
// KISSME from all pairs under two cameras, XQDA from two random halves of each person's rows.
// Throws InputError naming the file if there are no such rows or too few of them, and naming the
// field if a setting is out of its range.
models::LearnedMetric learn_metric(const FeatureTable& table, const proto::Scoring& scoring);

}  // namespace muster::trainer
