// Serves the metrics of one training process to Prometheus over HTTP.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/progress_sink.h"
#include "monitoring/run_identity.h"

namespace muster::monitoring {

enum class RunState {
  kStarting,
  kTraining,
  kEvaluating,
  kCheckpointing,
  kStopping,
  kDone,
  kFailed
};

struct PrometheusSinkOptions {
  std::string bind_address = "127.0.0.1:0";  // port 0: a free one
  // Seconds since 1970; the system's clock if empty.
  std::function<double()> unix_seconds;
};

// Creates every metric of metric_table() that this rank exports at once and removes none. Calls may
// come from one thread while others scrape; none of them throws or blocks on a scrape.
class PrometheusSink : public common::ProgressSink {
 public:
  // Throws SystemError that names the address if it cannot listen there.
  explicit PrometheusSink(const RunIdentity& identity, const PrometheusSinkOptions& options = {});
  ~PrometheusSink() override;

  // Where it listens, for the target file.
  int port() const;
  void enter(RunState state);

  void begin(const std::string&, const std::string&, int64_t) override {}
  void advance(int64_t) override {}
  void end() override {}
  void step(const common::StepReport& report) override;
  void note(const std::string&) override {}

 private:
  struct Metrics;
  std::unique_ptr<Metrics> metrics_;
};

}  // namespace muster::monitoring
