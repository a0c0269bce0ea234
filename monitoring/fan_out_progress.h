// One progress sink that stands for several.
#pragma once

#include <vector>

#include "common/progress_sink.h"

namespace muster::monitoring {

// Forwards every call to all sinks in order. Owns none of them; they must outlive it.
class FanOutProgress : public common::ProgressSink {
 public:
  explicit FanOutProgress(std::vector<common::ProgressSink*> sinks);

  void begin(const std::string& what, const std::string& unit, int64_t total) override;
  void advance(int64_t done) override;
  void end() override;
  void step(const common::StepReport& report) override;
  void note(const std::string& text) override;

 private:
  const std::vector<common::ProgressSink*> sinks_;
};

}  // namespace muster::monitoring
