#include "launcher/shared_command.h"

#include <time.h>

#include <algorithm>
#include <iostream>

#include "common/error.h"
#include "launcher/deadline_guard.h"
#include "launcher/exit_codes.h"
#include "launcher/failure_line.h"
#include "launcher/terminal.h"
#include "trainer/heartbeat_channel.h"
#include "trainer/watched_communicator.h"

namespace muster::launcher {
namespace {

// False if a signal came meanwhile.
bool slept(double seconds) {
  struct timespec time {};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>((seconds - static_cast<double>(time.tv_sec)) * 1e9);
  return ::nanosleep(&time, nullptr) == 0;
}

// Where ranks start one after the other, loading programs from a disk, a short limit is too short.
double limit_of_start(double limit_seconds) {
  constexpr double kLeastSeconds = 10;
  return limit_seconds > 0 ? std::max(limit_seconds, kLeastSeconds) : 0;
}

std::unique_ptr<trainer::Communicator> ranks_of_this_job(double limit_seconds) {
  if (!trainer::started_by_mpi_launcher()) return trainer::create_single_communicator();
  const DeadlineGuard guard("MPI_Init", limit_of_start(limit_seconds));
  return trainer::create_mpi_communicator();
}

}  // namespace

WatchOptions watch_options(const CommandLine& line) {
  WatchOptions options;
  options.limit_seconds = static_cast<double>(line.integer("watchdog", 0, 1000000));
  return options;
}

RankTeam::RankTeam(const WatchOptions& options)
    : limit_seconds_(options.limit_seconds), ranks_(ranks_of_this_job(options.limit_seconds)) {
  if (ranks_->rank() == 0) {
    progress_ = terminal_progress();
  } else {
    progress_ = std::make_unique<common::SilentProgress>();
  }
  if (ranks_->size() > 1 && options.limit_seconds > 0) {
    trainer::WatchdogOptions of_watchdog;
    of_watchdog.limit_seconds = options.limit_seconds;
    of_watchdog.work =
        options.equal_work ? trainer::WorkShare::kEqual : trainer::WorkShare::kUnequal;
    const DeadlineGuard guard("the exchange of hosts", limit_of_start(options.limit_seconds));
    watchdog_.emplace(*ranks_, trainer::create_mpi_heartbeat_channel(), board_, of_watchdog);
  }
  watched_ = trainer::create_watched_communicator(*ranks_, board_);
}

RankTeam::~RankTeam() {
  watched_.reset();
  watchdog_.reset();
  const DeadlineGuard guard("MPI_Finalize", all_arrived_ ? limit_seconds_ : 0);
  ranks_.reset();
}

void RankTeam::finish() {
  watched_->barrier();
  all_arrived_ = ranks_->size() > 1;
}

void RankTeam::extend(const Wrap& wrap) {
  watched_.reset();
  ranks_ = wrap(std::move(ranks_));
  watched_ = trainer::create_watched_communicator(*ranks_, board_);
}

void RankTeam::fail(const std::exception& failure) {
  if (!ranks_ || ranks_->size() == 1) return;
  const bool input = dynamic_cast<const common::InputError*>(&failure) != nullptr;
  // Rank 0 may have the same fault: then it speaks, and ends this one meanwhile, by a signal first.
  // Nobody may call this one dead before.
  const double wait = limit_seconds_ > 0 ? std::min(2.0, limit_seconds_ / 4) : 2.0;
  const bool is_ended = ranks_->rank() != 0 && !slept(wait);
  if (!is_ended) {
    std::cerr << "muster: rank " << ranks_->rank() << ": " << failure_line(failure) << std::endl;
  }
  if (watchdog_) watchdog_->announce_failure();
  ranks_->abort(input ? kExitBadInput : kExitFailed);
}

int run_on_ranks(const WatchOptions& options, const std::function<int(RankTeam&)>& work) {
  RankTeam team(options);
  try {
    const int code = work(team);
    team.finish();
    return code;
  } catch (const std::exception& failure) {
    team.fail(failure);
    throw;
  }
}

int threads_of_rank(int asked, const trainer::Communicator& communicator) {
  if (asked > 0) return asked;
  return communicator.size() > 1 ? 1 : usable_cores();
}

}  // namespace muster::launcher
