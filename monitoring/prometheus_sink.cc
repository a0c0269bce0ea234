#include "monitoring/prometheus_sink.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <map>

#include "common/error.h"
#include "monitoring/metric_table.h"
#include "monitoring/metrics_server.h"

namespace muster::monitoring {
namespace {

double system_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::map<std::string, std::string> facts_of(const RunIdentity& identity) {
  return {{"version", identity.version},
          {"commit", identity.commit},
          {"model", identity.model},
          {"train_store", identity.train_store},
          {"world_size", std::to_string(identity.world_size)}};
}

// The label sets of one metric: one for each value of its enumerated label, else a single one.
std::vector<std::pair<std::string, prometheus::Labels>> label_sets(
    const MetricDescription& metric, const std::map<std::string, std::string>& facts) {
  prometheus::Labels constant;
  const MetricLabel* enumerated = nullptr;
  for (const MetricLabel& label : metric.labels) {
    if (label.values.empty()) {
      constant[label.name] = facts.at(label.name);
    } else {
      MUSTER_REQUIRE(static_cast<const void*>(enumerated), ==, nullptr);
      enumerated = &label;
    }
  }
  std::vector<std::pair<std::string, prometheus::Labels>> sets;
  if (enumerated == nullptr) return {{"", constant}};
  for (const std::string& value : enumerated->values) {
    prometheus::Labels labels = constant;
    labels[enumerated->name] = value;
    sets.emplace_back(value, labels);
  }
  return sets;
}

const char* name_of(RunState state) {
  switch (state) {
    case RunState::kStarting:
      return "starting";
    case RunState::kTraining:
      return "training";
    case RunState::kEvaluating:
      return "evaluating";
    case RunState::kCheckpointing:
      return "checkpointing";
    case RunState::kStopping:
      return "stopping";
    case RunState::kDone:
      return "done";
    case RunState::kFailed:
      return "failed";
  }
  return "";
}

}  // namespace

// The registry's metrics by name and by the value of their enumerated label. The maps are filled by
// the constructor and only read afterwards.
struct PrometheusSink::Metrics {
  template <typename Metric>
  using Series = std::map<std::string, std::map<std::string, Metric*>>;

  Series<prometheus::Counter> counters;
  Series<prometheus::Gauge> gauges;
  Series<prometheus::Histogram> histograms;
  std::function<double()> unix_seconds;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::unique_ptr<MetricsServer> server;  // last: stops serving before the rest goes

  void create(const MetricDescription& metric, const std::map<std::string, std::string>& facts);
  // These do nothing for a metric or a label value that this rank does not export.
  void add(const std::string& name, double amount, const std::string& label_value = "");
  void set(const std::string& name, double value, const std::string& label_value = "");
};

void PrometheusSink::Metrics::create(const MetricDescription& metric,
                                     const std::map<std::string, std::string>& facts) {
  for (const auto& [label_value, labels] : label_sets(metric, facts)) {
    switch (metric.type) {
      case MetricType::kCounter:
        counters[metric.name][label_value] = &prometheus::BuildCounter()
                                                  .Name(metric.name)
                                                  .Help(metric.help)
                                                  .Register(*registry)
                                                  .Add(labels);
        break;
      case MetricType::kGauge:
        gauges[metric.name][label_value] = &prometheus::BuildGauge()
                                                .Name(metric.name)
                                                .Help(metric.help)
                                                .Register(*registry)
                                                .Add(labels);
        break;
      case MetricType::kHistogram:
        histograms[metric.name][label_value] = &prometheus::BuildHistogram()
                                                    .Name(metric.name)
                                                    .Help(metric.help)
                                                    .Register(*registry)
                                                    .Add(labels, step_seconds_buckets());
        break;
    }
  }
}

void PrometheusSink::Metrics::add(const std::string& name, double amount,
                                  const std::string& label_value) {
  const auto family = counters.find(name);
  if (family == counters.end()) return;
  const auto series = family->second.find(label_value);
  if (series != family->second.end() && amount > 0) series->second->Increment(amount);
}

void PrometheusSink::Metrics::set(const std::string& name, double value,
                                  const std::string& label_value) {
  const auto family = gauges.find(name);
  if (family == gauges.end()) return;
  const auto series = family->second.find(label_value);
  if (series != family->second.end()) series->second->Set(value);
}

PrometheusSink::PrometheusSink(const RunIdentity& identity, const PrometheusSinkOptions& options)
    : metrics_(std::make_unique<Metrics>()) {
  metrics_->unix_seconds = options.unix_seconds ? options.unix_seconds : system_seconds;
  const auto facts = facts_of(identity);
  for (const MetricDescription& metric : metric_table()) {
    if (identity.rank == 0 || metric.scope == MetricScope::kEveryRank) {
      metrics_->create(metric, facts);
    }
  }
  const double now = metrics_->unix_seconds();
  metrics_->set("muster_build_info", 1);
  metrics_->set("muster_run_info", 1);
  metrics_->set("muster_run_start_time_seconds", now);
  metrics_->set("muster_train_last_step_timestamp_seconds", now);
  const double unknown = std::numeric_limits<double>::quiet_NaN();
  for (const std::string& loss : loss_names()) {
    metrics_->set("muster_train_loss", unknown, loss);
  }
  for (const char* name :
       {"muster_train_learning_rate", "muster_train_gradient_norm", "muster_train_amp_scale",
        "muster_train_triplet_active_ratio", "muster_train_hardest_positive_distance",
        "muster_train_hardest_negative_distance"}) {
    metrics_->set(name, unknown);
  }
  enter(RunState::kStarting);
  metrics_->server = std::make_unique<MetricsServer>(options.bind_address, [this] {
    return prometheus::TextSerializer().Serialize(metrics_->registry->Collect());
  });
}

PrometheusSink::~PrometheusSink() = default;

int PrometheusSink::port() const { return metrics_->server->port(); }

void PrometheusSink::enter(RunState state) {
  const auto family = metrics_->gauges.find("muster_run_state");
  if (family == metrics_->gauges.end()) return;
  for (const auto& [name, gauge] : family->second) gauge->Set(name == name_of(state) ? 1 : 0);
}

void PrometheusSink::step(const common::StepReport& report) {
  Metrics& metrics = *metrics_;
  metrics.add("muster_train_steps_total", 1);
  metrics.add("muster_train_clips_total", static_cast<double>(report.clips));
  metrics.add("muster_train_frames_total", static_cast<double>(report.frames));
  metrics.histograms.at("muster_train_step_seconds").at("")->Observe(report.step_seconds);
  const common::PhaseSeconds& phases = report.phase_seconds;
  const std::string phase_metric = "muster_train_phase_seconds_total";
  metrics.add(phase_metric, phases.data_wait, "data_wait");
  metrics.add(phase_metric, phases.forward, "forward");
  metrics.add(phase_metric, phases.loss, "loss");
  metrics.add(phase_metric, phases.backward, "backward");
  metrics.add(phase_metric, phases.communication_exposed, "communication_exposed");
  metrics.add(phase_metric, phases.optimizer, "optimizer");
  metrics.set("muster_train_last_step_timestamp_seconds", metrics.unix_seconds());
  metrics.set("muster_train_loss", report.loss, "total");
  for (const auto& [name, value] : report.losses) {
    if (name != "total") metrics.set("muster_train_loss", value, name);
  }
  metrics.set("muster_train_learning_rate", report.learning_rate);
  metrics.set("muster_train_gradient_norm", report.gradient_norm);
  const bool finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  metrics.add("muster_train_nonfinite_steps_total", finite || report.overflow ? 0 : 1);
  metrics.add("muster_train_amp_overflow_steps_total", report.overflow ? 1 : 0);
  metrics.set("muster_train_amp_scale", report.loss_scale);
  const common::GradientTraffic& traffic = report.gradient_traffic;
  metrics.add("muster_comm_bytes_total", static_cast<double>(traffic.bytes));
  metrics.add("muster_comm_messages_total", static_cast<double>(traffic.messages));
  metrics.add("muster_comm_early_messages_total", static_cast<double>(traffic.early_messages));
  metrics.add("muster_comm_busy_seconds_total", traffic.busy_seconds);
  const std::pair<const char*, const char*> statistics[] = {
      {"rank1_estimate", "muster_train_rank1_estimate_ratio"},
      {"triplet_active_share", "muster_train_triplet_active_ratio"},
      {"hardest_positive_distance", "muster_train_hardest_positive_distance"},
      {"hardest_negative_distance", "muster_train_hardest_negative_distance"}};
  for (const auto& [key, metric] : statistics) {
    const auto found = report.statistics.find(key);
    if (found != report.statistics.end()) metrics.set(metric, found->second);
  }
}

}  // namespace muster::monitoring
