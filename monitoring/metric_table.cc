#include "monitoring/metric_table.h"

#include <sstream>

namespace muster::monitoring {
namespace {

constexpr auto kCounter = MetricType::kCounter;
constexpr auto kGauge = MetricType::kGauge;
constexpr auto kEvery = MetricScope::kEveryRank;
constexpr auto kZero = MetricScope::kRankZero;

std::vector<MetricDescription> run_metrics() {
  return {
      {"muster_build_info",
       kGauge,
       kEvery,
       {{"version", {}}, {"commit", {}}},
       "1",
       "Always 1; the labels say which build runs."},
      {"muster_run_info",
       kGauge,
       kZero,
       {{"model", {}}, {"train_store", {}}, {"world_size", {}}},
       "1",
       "Always 1; the labels say what is trained, on which store and on how many ranks."},
      {"muster_run_state",
       kGauge,
       kZero,
       {{"state",
         {"starting", "training", "evaluating", "checkpointing", "stopping", "done", "failed"}}},
       "1",
       "1 for the state the run is in, 0 for the others."},
      {"muster_run_start_time_seconds",
       kGauge,
       kEvery,
       {},
       "seconds since 1970",
       "When this process started to serve its metrics."},
  };
}

std::vector<MetricDescription> step_metrics() {
  return {
      {"muster_train_steps_total",
       kCounter,
       kEvery,
       {},
       "1",
       "Optimiser steps completed by this process."},
      {"muster_train_clips_total", kCounter, kEvery, {}, "1", "Clips that this rank handled."},
      {"muster_train_frames_total", kCounter, kEvery, {}, "1", "Frames that this rank handled."},
      {"muster_train_step_seconds",
       MetricType::kHistogram,
       kEvery,
       {},
       "seconds",
       "Wall time of a step."},
      {"muster_train_phase_seconds_total",
       kCounter,
       kEvery,
       {{"phase",
         {"data_wait", "forward", "loss", "backward", "communication_exposed", "optimizer"}}},
       "seconds",
       "Wall time of steps by what it was spent on."},
      {"muster_train_last_step_timestamp_seconds",
       kGauge,
       kEvery,
       {},
       "seconds since 1970",
       "When the last step was completed; the start time before the first one."},
  };
}

std::vector<MetricDescription> learning_metrics() {
  return {
      {"muster_train_loss",
       kGauge,
       kZero,
       {{"loss", loss_names()}},
       "1",
       "Loss of the last step; total is what is minimised. NaN before the first step, and of terms "
       "that the training does not have."},
      {"muster_train_learning_rate",
       kGauge,
       kZero,
       {},
       "1",
       "Learning rate of the last step. NaN before the first step."},
      {"muster_train_gradient_norm",
       kGauge,
       kZero,
       {},
       "1",
       "Euclidean norm of the last step's gradient. NaN before the first step."},
      {"muster_train_nonfinite_steps_total",
       kCounter,
       kEvery,
       {},
       "1",
       "Steps whose loss or gradient norm was infinite or not a number, those aside that the "
       "scale of MIXED_FLOAT16 was too large for."},
      {"muster_train_amp_scale",
       kGauge,
       kZero,
       {},
       "1",
       "What the last step's loss was multiplied by before it went backward; 1 unless the "
       "precision is MIXED_FLOAT16. NaN before the first step."},
      {"muster_train_amp_overflow_steps_total",
       kCounter,
       kEvery,
       {},
       "1",
       "Steps left out because that scale was too large; it is halved."},
      {"muster_comm_bytes_total",
       kCounter,
       kEvery,
       {},
       "bytes",
       "Bytes of gradients that this rank summed with the others; 0 with one rank."},
      {"muster_comm_messages_total", kCounter, kEvery, {}, "1", "Messages that they travelled in."},
      {"muster_comm_early_messages_total",
       kCounter,
       kEvery,
       {},
       "1",
       "Those of them that began while backward still ran."},
      {"muster_comm_busy_seconds_total",
       kCounter,
       kEvery,
       {},
       "seconds",
       "Time from the start of a step's first message to the end of its last; the part that "
       "training waited for is the phase communication_exposed."},
      {"muster_train_rank1_estimate_ratio",
       kGauge,
       kZero,
       {},
       "0 to 1",
       "Share of the last step's clips that are nearer to another clip of their person than to any "
       "other clip of the batch, where the triplet loss compares them."},
      {"muster_train_triplet_active_ratio",
       kGauge,
       kZero,
       {},
       "0 to 1",
       "Share of the last step's anchors whose hardest triplet violates the margin."},
      {"muster_train_hardest_positive_distance",
       kGauge,
       kZero,
       {},
       "1",
       "Mean distance to the hardest positive of the last step."},
      {"muster_train_hardest_negative_distance",
       kGauge,
       kZero,
       {},
       "1",
       "Mean distance to the hardest negative of the last step."},
  };
}

std::string name_of(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

std::string labels_text(const MetricDescription& metric) {
  std::string text;
  for (const MetricLabel& label : metric.labels) {
    if (!text.empty()) text += ", ";
    text += "`" + label.name + "`";
    for (size_t index = 0; index < label.values.size(); ++index) {
      text += (index == 0 ? ": " : ", ") + label.values[index];
    }
  }
  return text;
}

}  // namespace

const std::vector<std::string>& loss_names() {
  static const std::vector<std::string> names = {
      "total",          "identity",       "identity_aligned", "auxiliary",    "auxiliary_early",
      "auxiliary_late", "parts",          "video_triplet",    "part_triplet", "verification",
      "pair",           "global_triplet", "local_triplet",    "heat_map"};
  return names;
}

const std::vector<MetricDescription>& metric_table() {
  static const std::vector<MetricDescription> table = [] {
    std::vector<MetricDescription> metrics;
    for (const auto& group : {run_metrics(), step_metrics(), learning_metrics()}) {
      metrics.insert(metrics.end(), group.begin(), group.end());
    }
    return metrics;
  }();
  return table;
}

const std::vector<double>& step_seconds_buckets() {
  static const std::vector<double> bounds = [] {
    std::vector<double> doubled;
    for (double bound_ms = 4; bound_ms < 100000; bound_ms *= 2) {
      doubled.push_back(bound_ms / 1000);
    }
    return doubled;
  }();
  return bounds;
}

std::string metrics_page() {
  std::ostringstream page;
  page
      << "# Metrics\n\n"
      << "Every training process serves its metrics over HTTP at `/metrics`, by default on a free\n"
      << "port of 127.0.0.1, and publishes the address in a target file for Prometheus. The file\n"
      << "gives every series of the process the labels `run`, `job`, `node` and `rank`, so the\n"
      << "metrics themselves do not carry them.\n\n"
      << "All series exist from the start and stay until the process ends. Rank 0 exports at most "
      << kRankZeroSeriesLimit << ",\nany other rank at most " << kOtherRankSeriesLimit << ".\n\n"
      << "| metric | type | ranks | labels | unit | meaning |\n"
      << "|---|---|---|---|---|---|\n";
  for (const MetricDescription& metric : metric_table()) {
    page << "| `" << metric.name << "` | " << name_of(metric.type) << " | "
         << (metric.scope == MetricScope::kRankZero ? "0" : "all") << " | " << labels_text(metric)
         << " | " << metric.unit << " | " << metric.help << " |\n";
  }
  page << "\nThe histogram has " << step_seconds_buckets().size()
       << " buckets, factor 2 from 4 ms to 65.5 s: a quantile read from it is at\n"
       << "most a factor 2 off, and ranks can be added up. Losses, learning rate, gradient norm "
          "and\n"
       << "mining are those of the global batch, so rank 0 speaks for all.\n\n"
       << "This page is printed from `monitoring/metric_table.cc`; the test that compares the two\n"
       << "says how to print it again.\n";
  return page.str();
}

}  // namespace muster::monitoring
