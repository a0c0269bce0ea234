// The one table of metrics: the exporter creates what stands here, docs/metrics.md prints it, tests
// compare both with it.
#pragma once

#include <string>
#include <vector>

namespace muster::monitoring {

enum class MetricType { kCounter, kGauge, kHistogram };

// Metrics that are equal on all ranks of a run are exported by rank 0 alone.
enum class MetricScope { kEveryRank, kRankZero };

// A label and all values it can take. Without values it holds one fact that never changes while a
// process lives. No label's values grow with time, data or load.
struct MetricLabel {
  std::string name;
  std::vector<std::string> values;
};

struct MetricDescription {
  std::string name;  // with the prefix muster_
  MetricType type;
  MetricScope scope;
  std::vector<MetricLabel> labels;  // at most one with several values
  std::string unit;                 // "seconds", "1", ...
  std::string help;                 // one sentence
};

// In the order of docs/metrics.md.
const std::vector<MetricDescription>& metric_table();

// Upper bounds of the histograms of step times, seconds: factor 2 from 4 ms to 65.536 s.
const std::vector<double>& step_seconds_buckets();

// Values of the label `loss`: every term that a training can have, and their sum.
const std::vector<std::string>& loss_names();

// Most series that one process may export, the HTTP server's own included.
constexpr int kRankZeroSeriesLimit = 150;
constexpr int kOtherRankSeriesLimit = 40;

// The text of docs/metrics.md.
std::string metrics_page();

}  // namespace muster::monitoring
