// Progress for people: one redrawn line on a terminal, plain lines elsewhere.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "common/progress_sink.h"

namespace muster::monitoring {

enum class TerminalMode {
  kRedrawn,  // a bar that is redrawn in place, at most 10 times a second
  kPlain     // whole lines, at most one every 5 s, and a last one at the end
};

// kRedrawn if the file descriptor is a terminal that understands escape sequences.
TerminalMode terminal_mode_of(int file_descriptor);

struct TerminalProgressOptions {
  TerminalMode mode = TerminalMode::kPlain;
  size_t width_columns = 100;       // no progress line is wider
  std::function<double()> seconds;  // a clock that never goes back; the steady clock if empty
};

// Writes to a stream that must outlive it. One thread.
class TerminalProgress : public common::ProgressSink {
 public:
  TerminalProgress(std::ostream& out, const TerminalProgressOptions& options);
  // Completes a line that is still open.
  ~TerminalProgress() override;

  void begin(const std::string& what, const std::string& unit, int64_t total) override;
  void advance(int64_t done) override;
  void end() override;
  // Once steps are told, advance() of the same stretch shows nothing.
  void step(const common::StepReport& report) override;
  // Shown at once, on a line of its own and whole.
  void note(const std::string& text) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::monitoring
