#include "monitoring/terminal_progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <vector>

#include "monitoring/terminal_text.h"

namespace muster::monitoring {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kPlainSeconds = 5;
constexpr double kRateMemorySeconds = 10;  // how far back the rate of a stretch looks
constexpr double kStepMemory = 0.9;        // what a step leaves of the steps before
constexpr size_t kWidestBar = 24, kNarrowestBar = 4;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A sum in which the past fades: the ratio of two of them is a smoothed mean.
class FadingSum {
 public:
  void add(double amount, double remaining_share) { value_ = value_ * remaining_share + amount; }
  double per(const FadingSum& other) const { return other.value_ > 0 ? value_ / other.value_ : 0; }

 private:
  double value_ = 0;
};

std::string short_name(const std::string& loss) {
  if (loss == "identity") return "id";
  if (loss == "video_triplet") return "triplet";
  return printable(loss);
}

}  // namespace

TerminalMode terminal_mode_of(int file_descriptor) {
  const char* terminal = std::getenv("TERM");
  const bool understands = terminal != nullptr && std::string(terminal) != "dumb";
  return understands && ::isatty(file_descriptor) == 1 ? TerminalMode::kRedrawn
                                                       : TerminalMode::kPlain;
}

struct TerminalProgress::State {
  std::ostream& out;
  TerminalProgressOptions options;
  double shown_seconds = -std::numeric_limits<double>::infinity();
  std::string open_line;     // redrawn mode: the line that the cursor stands behind
  std::string unshown_line;  // newer than what was shown

  bool in_stretch = false, has_steps = false;
  std::string what, unit;
  int64_t total = 0, done = 0;
  double begin_seconds = 0, advance_seconds = 0;
  struct Smoothed {
    FadingSum items, item_seconds;
    FadingSum steps, step_seconds, clips, data_wait, communication;
    FadingSum finite_steps;
    FadingSum rank1, rank1_steps;
    std::map<std::string, FadingSum> losses;
  };
  Smoothed smoothed;

  State(std::ostream& stream, const TerminalProgressOptions& chosen)
      : out(stream), options(chosen) {}

  bool redraws() const { return options.mode == TerminalMode::kRedrawn; }

  void show(const std::string& line, bool last) {
    const double now = options.seconds();
    const double interval = redraws() ? kRedrawSeconds : kPlainSeconds;
    if (!last && now - shown_seconds < interval) {
      unshown_line = line;
      return;
    }
    unshown_line.clear();
    shown_seconds = now;
    if (redraws()) {
      out << '\r' << line << "\x1b[K";
      if (last) out << '\n';
      open_line = last ? "" : line;
    } else {
      out << line << '\n';
    }
    out.flush();
  }

  // Ends the line that stands open, with the newest there is to say.
  void finish_line() {
    if (!unshown_line.empty()) {
      show(std::string(unshown_line), true);
    } else if (!open_line.empty()) {
      out << '\n';
      out.flush();
    }
    open_line.clear();
  }

  std::string stretch_line(bool finished) const {
    const double rate = smoothed.items.per(smoothed.item_seconds);
    std::string count = std::to_string(done);
    if (total > 0) count += "/" + std::to_string(total);
    std::string tail = count + " " + unit;
    if (finished) {
      const double seconds = options.seconds() - begin_seconds;
      if (seconds > 0) tail += " " + rate_text(static_cast<double>(done) / seconds);
      tail += " in " + duration_text(seconds);
    } else if (rate > 0) {
      tail += " " + rate_text(rate);
      if (total > 0) tail += " eta " + duration_text(static_cast<double>(total - done) / rate);
    }
    const size_t used = columns_of(what) + columns_of(tail) + 4;  // two spaces, two brackets
    const size_t room = options.width_columns > used ? options.width_columns - used : 0;
    if (total <= 0 || !redraws() || room < kNarrowestBar) {
      return cut_to(what + " " + tail, options.width_columns);
    }
    const size_t bar = std::min(kWidestBar, room);
    const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0., 1.);
    const auto filled = static_cast<size_t>(share * static_cast<double>(bar));
    return what + " [" + std::string(filled, '#') + std::string(bar - filled, '-') + "] " + tail;
  }

  void smooth(const common::StepReport& report) {
    smoothed.steps.add(1, kStepMemory);
    smoothed.step_seconds.add(report.step_seconds, kStepMemory);
    smoothed.clips.add(static_cast<double>(report.global_clips), kStepMemory);
    smoothed.data_wait.add(report.phase_seconds.data_wait, kStepMemory);
    smoothed.communication.add(report.phase_seconds.communication_exposed, kStepMemory);
    const auto rank1 = report.statistics.find("rank1_estimate");
    if (rank1 != report.statistics.end()) {
      smoothed.rank1.add(rank1->second, kStepMemory);
      smoothed.rank1_steps.add(1, kStepMemory);
    }
    bool finite = std::isfinite(report.loss);
    for (const auto& [name, value] : report.losses) finite = finite && std::isfinite(value);
    if (!finite) return;
    smoothed.finite_steps.add(1, kStepMemory);
    smoothed.losses["total"].add(report.loss, kStepMemory);
    for (const auto& [name, value] : report.losses) {
      if (name != "total") smoothed.losses[name].add(value, kStepMemory);
    }
  }

  // The smoothed value, or the reported one where it is not finite and must be seen.
  std::string loss_text(const std::string& name, double reported) const {
    if (!std::isfinite(reported)) return std::isnan(reported) ? "nan" : "inf";
    const auto found = smoothed.losses.find(name);
    const double value =
        found == smoothed.losses.end() ? reported : found->second.per(smoothed.finite_steps);
    return formatted(std::abs(value) < 0.1 && value != 0 ? "%.2g" : "%.2f", value);
  }

  std::string step_line(const common::StepReport& report) const {
    std::string parts;
    for (const auto& [name, value] : report.losses) {
      if (name == "total") continue;
      parts += (parts.empty() ? "" : ", ") + short_name(name) + " " + loss_text(name, value);
    }
    const std::string loss = "loss " + loss_text("total", report.loss);
    const double seconds_per_step = smoothed.step_seconds.per(smoothed.steps);
    const auto left = static_cast<double>(report.total_steps - report.step);
    std::string count = "step " + std::to_string(report.step);
    if (report.total_steps > 0) count += "/" + std::to_string(report.total_steps);
    std::vector<LinePart> line = {{count, 0}, {loss, 0}};
    if (!parts.empty()) line.push_back({"(" + parts + ")", 3});
    if (report.statistics.count("rank1_estimate") > 0) {
      line.push_back(
          {formatted("rank-1 %.0f %%", 100 * smoothed.rank1.per(smoothed.rank1_steps)), 2});
    }
    if (seconds_per_step > 0) {
      line.push_back({formatted("%.0f clips/s", smoothed.clips.per(smoothed.step_seconds)), 1});
      line.push_back(
          {formatted("data %.1f %%", 100 * smoothed.data_wait.per(smoothed.step_seconds)), 4});
      line.push_back(
          {formatted("comm %.1f %%", 100 * smoothed.communication.per(smoothed.step_seconds)), 5});
      if (left > 0) line.push_back({"eta " + duration_text(left * seconds_per_step), 2});
    }
    const std::string joined = fitted_line(line, options.width_columns + 1);
    // "loss 1.92 (id 1.41)" belongs together: one space, not two.
    const size_t bracket = joined.find("  (");
    const std::string text = bracket == std::string::npos
                                 ? joined
                                 : joined.substr(0, bracket) + joined.substr(bracket + 1);
    return cut_to(text, options.width_columns);
  }
};

TerminalProgress::TerminalProgress(std::ostream& out, const TerminalProgressOptions& options)
    : state_(std::make_unique<State>(out, options)) {
  if (!state_->options.seconds) state_->options.seconds = steady_seconds;
}

TerminalProgress::~TerminalProgress() { state_->finish_line(); }

void TerminalProgress::begin(const std::string& what, const std::string& unit, int64_t total) {
  State& state = *state_;
  state.finish_line();
  state.in_stretch = true;
  state.has_steps = false;
  state.what = printable(what);
  state.unit = printable(unit);
  state.total = total;
  state.done = 0;
  state.begin_seconds = state.advance_seconds = state.options.seconds();
  state.smoothed = State::Smoothed();
  if (state.redraws()) {
    state.show(state.stretch_line(false), false);
  } else {
    state.shown_seconds = state.begin_seconds;
  }
}

void TerminalProgress::advance(int64_t done) {
  State& state = *state_;
  if (!state.in_stretch || state.has_steps) return;
  const double now = state.options.seconds();
  const double passed = now - state.advance_seconds;
  const double remaining = std::exp(-passed / kRateMemorySeconds);
  state.smoothed.items.add(static_cast<double>(done - state.done), remaining);
  state.smoothed.item_seconds.add(passed, remaining);
  state.done = done;
  state.advance_seconds = now;
  state.show(state.stretch_line(false), false);
}

void TerminalProgress::end() {
  State& state = *state_;
  if (state.in_stretch && !state.has_steps) {
    state.show(state.stretch_line(true), true);
  } else {
    state.finish_line();
  }
  state.in_stretch = state.has_steps = false;
}

void TerminalProgress::step(const common::StepReport& report) {
  State& state = *state_;
  state.has_steps = true;
  state.smooth(report);
  state.show(state.step_line(report), report.step == report.total_steps);
}

void TerminalProgress::note(const std::string& text) {
  State& state = *state_;
  if (!state.open_line.empty()) {
    state.out << "\r\x1b[K";
    if (state.unshown_line.empty()) state.unshown_line = state.open_line;
    state.open_line.clear();
  }
  state.out << printable(text) << '\n';
  state.out.flush();
}

}  // namespace muster::monitoring
