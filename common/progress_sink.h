// How long work tells what it is doing. datastore, trainer and schedulers call it, monitoring
// implements it, launcher connects them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace muster::common {

// What a training step spent its wall time on, seconds. data_wait: until the batch's bytes were
// there; making tensors of them belongs to forward.
struct PhaseSeconds {
  double data_wait = 0, forward = 0, loss = 0, backward = 0, communication_exposed = 0,
         optimizer = 0;
};

// How one rank's gradients were summed with the other ranks' in one step.
struct GradientTraffic {
  int64_t bytes = 0;           // of the buffers that were summed; 0 with one rank
  int64_t messages = 0;        // that they travelled in
  int64_t early_messages = 0;  // those that began during backward
  double busy_seconds = 0;     // from the first message's start to the end of the last
};

// One optimiser step, told once it is complete.
struct StepReport {
  int64_t step = 0;                          // 1 for the first
  int64_t total_steps = 0;                   // of the whole training
  double loss = 0;                           // the total that is minimised
  std::map<std::string, double> losses;      // its parts by name
  std::map<std::string, double> statistics;  // what mining saw: active_share, hardest distances
  double gradient_norm = 0;
  // What was infinite or not a number, "the loss identity"; then the step changed no weight.
  std::string not_finite;
  // Mixed precision: what the loss was multiplied by, and whether that was too much; then the step
  // changed no weight either, and the next one's is half.
  double loss_scale = 1;
  bool overflow = false;
  double learning_rate = 0;
  int64_t clips = 0, frames = 0;  // that this rank handled
  int64_t global_clips = 0;       // that all ranks handled
  PhaseSeconds phase_seconds;
  GradientTraffic gradient_traffic;
  // Batch norms' messages over ranks, and the waiting for them: a part of forward and backward.
  int64_t statistics_messages = 0;
  double statistics_seconds = 0;
  double step_seconds = 0;
};

// Calls come from the thread that does the work, never concurrently. An implementation must not
// throw and must cost microseconds.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  // A stretch of `total` items begins; `what` is a short label, `unit` a plural noun ("frames").
  virtual void begin(const std::string& what, const std::string& unit, int64_t total) = 0;
  // `done` items of the current stretch are complete.
  virtual void advance(int64_t done) = 0;
  virtual void end() = 0;
  virtual void step(const StepReport& report) = 0;
  // A fact a person should see once.
  virtual void note(const std::string& text) = 0;
};

// For callers that do not care.
class SilentProgress : public ProgressSink {
 public:
  void begin(const std::string&, const std::string&, int64_t) override {}
  void advance(int64_t) override {}
  void end() override {}
  void step(const StepReport&) override {}
  void note(const std::string&) override {}
};

}  // namespace muster::common
