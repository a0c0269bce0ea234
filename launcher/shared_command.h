// A command that its ranks carry out together, under mpirun or srun --mpi=pmix or alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "common/progress_sink.h"
#include "launcher/command_line.h"
#include "trainer/communicator.h"
#include "trainer/operation_board.h"
#include "trainer/watchdog.h"

namespace muster::launcher {

struct WatchOptions {
  double limit_seconds = 600;  // 0: no watchdog
  // Steps that all ranks take together. Otherwise one rank may work for hours while others wait,
  // and only a rank that is dead or stopped, or all waiting for each other, is a fault.
  bool equal_work = false;
};

constexpr char kWatchdogHelp[] =
    "how long a rank may be silent before the job is ended; 0: for ever";

// Of --watchdog, for unequal work.
WatchOptions watch_options(const CommandLine& line);

// The ranks of this job as one of them sees them, and the watchdog over them if there are several.
// One thread.
class RankTeam {
 public:
  RankTeam(const RankTeam&) = delete;
  RankTeam& operator=(const RankTeam&) = delete;
  // Collective.
  explicit RankTeam(const WatchOptions& options);
  // The watchdog says goodbye, then MPI is finalised; after finish() within the watchdog's limit.
  ~RankTeam();

  // Collective, when the work is done and went well: waits for the other ranks while the watchdog
  // still looks.
  void finish();

  // The watchdog knows where in it this rank is.
  trainer::Communicator& communicator() { return *watched_; }
  trainer::OperationBoard& board() { return board_; }
  // The terminal's on rank 0, otherwise silent.
  common::ProgressSink& progress() { return *progress_; }

  // Collective: what communicator() builds on becomes part of what `wrap` makes of it.
  using Wrap = std::function<std::unique_ptr<trainer::Communicator>(
      std::unique_ptr<trainer::Communicator> ranks)>;
  void extend(const Wrap& wrap);

  // What this rank's work threw ends the job: the others may be waiting for it. Faults of settings
  // and data, and losses that are not finite, are the same on every rank: then only rank 0 tells
  // them. Returns where there is one rank, which needs no more than its exception.
  void fail(const std::exception& failure);

 private:
  const double limit_seconds_;
  bool all_arrived_ = false;
  std::unique_ptr<trainer::Communicator> ranks_;
  trainer::OperationBoard board_;
  std::optional<trainer::Watchdog> watchdog_;
  std::unique_ptr<trainer::Communicator> watched_;
  std::unique_ptr<common::ProgressSink> progress_;
};

// Calls `work`, waits for the other ranks and returns its exit code; what it throws is
// RankTeam::fail's. MPI is finalised on return.
int run_on_ranks(const WatchOptions& options, const std::function<int(RankTeam&)>& work);

// Of --threads, 0: all cores of one process, one of each of several.
int threads_of_rank(int asked, const trainer::Communicator& communicator);

}  // namespace muster::launcher
