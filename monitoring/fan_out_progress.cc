#include "monitoring/fan_out_progress.h"

#include <utility>

namespace muster::monitoring {

FanOutProgress::FanOutProgress(std::vector<common::ProgressSink*> sinks)
    : sinks_(std::move(sinks)) {}

void FanOutProgress::begin(const std::string& what, const std::string& unit, int64_t total) {
  for (common::ProgressSink* sink : sinks_) sink->begin(what, unit, total);
}

void FanOutProgress::advance(int64_t done) {
  for (common::ProgressSink* sink : sinks_) sink->advance(done);
}

void FanOutProgress::end() {
  for (common::ProgressSink* sink : sinks_) sink->end();
}

void FanOutProgress::step(const common::StepReport& report) {
  for (common::ProgressSink* sink : sinks_) sink->step(report);
}

void FanOutProgress::note(const std::string& text) {
  for (common::ProgressSink* sink : sinks_) sink->note(text);
}

}  // namespace muster::monitoring
