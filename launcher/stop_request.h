// Who asks a training to end in order: a signal, or a limit of time that comes near.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace muster::launcher {

// TERM, USR2 and INT ask from now on; the second one of them ends the process at once, as if this
// had never been called. The same one within 100 ms of the first is no second one: a launcher and
// Slurm may both pass on what somebody sent once. For one training of a process.
void let_signals_ask();

// Once the checkpoint is there, further ones change nothing.
void let_signals_pass();

// Which signal asked, "SIGUSR2"; empty if none has.
std::string asking_signal();

// "90s", "5m", "2h", "1d" or sums as "1h30m"; at least 0. Throws InputError naming the option.
std::chrono::seconds parsed_duration(const std::string& text, const std::string& option);

// When Slurm ends the job that this process belongs to, from SLURM_JOB_END_TIME or, where that is
// not set, from squeue. Nothing outside of Slurm and for jobs without a limit.
std::optional<std::chrono::system_clock::time_point> end_of_slurm_job();

// True from the first signal on, and from `margin` before `end` on.
std::function<bool()> stop_wanted(std::optional<std::chrono::system_clock::time_point> end,
                                  std::chrono::seconds margin);

}  // namespace muster::launcher
