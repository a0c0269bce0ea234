#include "launcher/stop_request.h"

#include <signal.h>
#include <time.h>

#include <cstdlib>
#include <limits>

#include "common/error.h"
#include "launcher/run_tool.h"

namespace muster::launcher {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

// A launcher and Slurm may both pass on what somebody sent once.
constexpr long kSameRequestMilliseconds = 100;

volatile sig_atomic_t first_signal = 0;
struct timespec first_time {};

long milliseconds_since_first() {
  struct timespec now {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - first_time.tv_sec) * 1000 + (now.tv_nsec - first_time.tv_nsec) / 1000000;
}

extern "C" void take_note(int signal) {
  if (first_signal == 0) {
    ::clock_gettime(CLOCK_MONOTONIC, &first_time);
    first_signal = signal;
    return;
  }
  if (signal == first_signal && milliseconds_since_first() < kSameRequestMilliseconds) return;
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

long long seconds_of_unit(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    default:
      return 0;
  }
}

std::optional<system_clock::time_point> as_time(long long unix_seconds) {
  if (unix_seconds <= 0) return std::nullopt;
  return system_clock::from_time_t(static_cast<time_t>(unix_seconds));
}

// "2026-11-22T05:00:00" in local time, as squeue writes it.
std::optional<system_clock::time_point> parsed_local_time(const std::string& text) {
  struct tm parts {};
  parts.tm_isdst = -1;
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return std::nullopt;
  return as_time(static_cast<long long>(::mktime(&parts)));
}

}  // namespace

void let_signals_pass() {
  for (const int signal : {SIGTERM, SIGUSR2, SIGINT}) ::signal(signal, SIG_IGN);
}

void let_signals_ask() {
  struct sigaction action {};
  action.sa_handler = take_note;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGUSR2, SIGINT}) ::sigaction(signal, &action, nullptr);
}

std::string asking_signal() {
  switch (first_signal) {
    case 0:
      return "";
    case SIGTERM:
      return "SIGTERM";
    case SIGUSR2:
      return "SIGUSR2";
    default:
      return "SIGINT";
  }
}

seconds parsed_duration(const std::string& text, const std::string& option) {
  constexpr long long kMost = 366LL * 86400;
  long long total = 0, number = -1;
  bool valid = !text.empty();
  for (const char letter : text) {
    if (letter >= '0' && letter <= '9') {
      number = (number < 0 ? 0 : number) * 10 + (letter - '0');
      valid = valid && number <= kMost;
      if (!valid) break;
    } else {
      const long long unit = seconds_of_unit(letter);
      valid = valid && unit > 0 && number >= 0;
      if (!valid) break;
      total += number * unit;
      number = -1;
      valid = total <= kMost;
    }
  }
  if (!valid || number >= 0) {
    throw common::InputError("--" + option + " " + text, "is not a duration up to a year",
                             "write 90s, 5m, 2h or 1h30m");
  }
  return seconds(total);
}

std::optional<system_clock::time_point> end_of_slurm_job() {
  if (const char* end = std::getenv("SLURM_JOB_END_TIME")) return as_time(std::atoll(end));
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr) return std::nullopt;
  const ToolOutput told = run_tool({"squeue", "--noheader", "--job", job, "--format", "%e"});
  return told.exit_code == 0 ? parsed_local_time(told.text) : std::nullopt;
}

std::function<bool()> stop_wanted(std::optional<system_clock::time_point> end, seconds margin) {
  return
      [end, margin] { return first_signal != 0 || (end && system_clock::now() + margin >= *end); };
}

}  // namespace muster::launcher
