// A command that its ranks carry out together, under mpirun or srun --mpi=pmix or alone.
#pragma once

#include <functional>

#include "common/progress_sink.h"
#include "trainer/communicator.h"

namespace muster::launcher {

// Calls `work` with this process's communicator and, on rank 0, the terminal's progress. Returns
// its exit code. What it throws on one of several ranks ends the job: the others may be waiting for
// it. Faults of settings and data are the same on every rank, so only rank 0 tells them. MPI is
// finalised on return.
int run_on_ranks(const std::function<int(trainer::Communicator&, common::ProgressSink&)>& work);

// Of --threads, 0: all cores of one process, one of each of several.
int threads_of_rank(int asked, const trainer::Communicator& communicator);

}  // namespace muster::launcher
