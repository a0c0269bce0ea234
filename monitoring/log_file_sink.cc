#include "monitoring/log_file_sink.h"

#include <time.h>

#include <chrono>
#include <cstdio>
#include <system_error>

namespace muster::monitoring {
namespace {

constexpr double kStepSeconds = 10;

std::string now_in_utc() {
  const time_t now = ::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string step_text(const common::StepReport& report) {
  const common::PhaseSeconds& phase = report.phase_seconds;
  char text[400];
  std::snprintf(text, sizeof(text),
                "step %lld/%lld loss %.6g gradient %.4g clips %lld seconds %.4f: data_wait %.4f "
                "forward %.4f loss %.4f backward %.4f communication_exposed %.4f optimizer %.4f",
                static_cast<long long>(report.step), static_cast<long long>(report.total_steps),
                report.loss, report.gradient_norm, static_cast<long long>(report.clips),
                report.step_seconds, phase.data_wait, phase.forward, phase.loss, phase.backward,
                phase.communication_exposed, phase.optimizer);
  return text;
}

}  // namespace

void LogFileSink::begin(const std::string& what, const std::string& unit, int64_t total) {
  if (!file_.is_open()) {
    std::error_code ignored;
    std::filesystem::create_directories(path_.parent_path(), ignored);
    file_.open(path_, std::ios::app);
    file_ << waiting_;
    waiting_.clear();
  }
  write(what + ": " + std::to_string(total) + " " + unit);
}

void LogFileSink::end() {
  if (!last_step_.empty()) write(last_step_);
  last_step_.clear();
  write("done");
}

void LogFileSink::step(const common::StepReport& report) {
  last_step_ = step_text(report);
  if (monotonic_seconds() - written_seconds_ < kStepSeconds) return;
  written_seconds_ = monotonic_seconds();
  write(last_step_);
  last_step_.clear();
}

void LogFileSink::write(const std::string& text) {
  const std::string line = now_in_utc() + " " + text + "\n";
  if (file_.is_open()) {
    file_ << line << std::flush;
  } else {
    waiting_ += line;
  }
}

}  // namespace muster::monitoring
