#include "launcher/shared_command.h"

#include <unistd.h>

#include <iostream>
#include <memory>

#include "common/error.h"
#include "launcher/exit_codes.h"
#include "launcher/terminal.h"

namespace muster::launcher {

int run_on_ranks(const std::function<int(trainer::Communicator&, common::ProgressSink&)>& work) {
  const auto communicator = trainer::started_by_mpi_launcher()
                                ? trainer::create_mpi_communicator()
                                : trainer::create_single_communicator();
  std::unique_ptr<common::ProgressSink> progress;
  if (communicator->rank() == 0) {
    progress = terminal_progress();
  } else {
    progress = std::make_unique<common::SilentProgress>();
  }
  try {
    return work(*communicator, *progress);
  } catch (const std::exception& failure) {
    if (communicator->size() == 1) throw;
    const bool input = dynamic_cast<const common::InputError*>(&failure) != nullptr;
    if (!input || communicator->rank() == 0) {
      std::cerr << "muster: rank " << communicator->rank() << ": " << failure.what() << std::endl;
    } else {
      ::sleep(2);  // rank 0 has the same fault and speaks first
    }
    communicator->abort(input ? kExitBadInput : kExitFailed);
    throw;  // not reached
  }
}

int threads_of_rank(int asked, const trainer::Communicator& communicator) {
  if (asked > 0) return asked;
  return communicator.size() > 1 ? 1 : usable_cores();
}

}  // namespace muster::launcher
