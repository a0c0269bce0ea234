#include "launcher/shared_command.h"

#include <unistd.h>

#include <iostream>

#include "common/error.h"
#include "launcher/exit_codes.h"
#include "launcher/failure_line.h"
#include "launcher/terminal.h"
#include "trainer/heartbeat_channel.h"
#include "trainer/watched_communicator.h"

namespace muster::launcher {

WatchOptions watch_options(const CommandLine& line) {
  WatchOptions options;
  options.limit_seconds = static_cast<double>(line.integer("watchdog", 0, 1000000));
  return options;
}

RankTeam::RankTeam(const WatchOptions& options)
    : ranks_(trainer::started_by_mpi_launcher() ? trainer::create_mpi_communicator()
                                                : trainer::create_single_communicator()) {
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
    watchdog_.emplace(*ranks_, trainer::create_mpi_heartbeat_channel(), board_, of_watchdog);
  }
  watched_ = trainer::create_watched_communicator(*ranks_, board_);
}

RankTeam::~RankTeam() = default;

void RankTeam::extend(const Wrap& wrap) {
  watched_.reset();
  ranks_ = wrap(std::move(ranks_));
  watched_ = trainer::create_watched_communicator(*ranks_, board_);
}

void RankTeam::fail(const std::exception& failure) {
  if (!ranks_ || ranks_->size() == 1) return;
  const bool input = dynamic_cast<const common::InputError*>(&failure) != nullptr;
  // Rank 0 may have the same fault: then it speaks, and ends this one meanwhile, by a signal first.
  const bool is_ended = input && ranks_->rank() != 0 && ::sleep(2) > 0;
  if (!is_ended) {
    std::cerr << "muster: rank " << ranks_->rank() << ": " << failure_line(failure) << std::endl;
  }
  if (watchdog_) watchdog_->announce_failure();
  ranks_->abort(input ? kExitBadInput : kExitFailed);
}

int run_on_ranks(const WatchOptions& options, const std::function<int(RankTeam&)>& work) {
  RankTeam team(options);
  try {
    return work(team);
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
