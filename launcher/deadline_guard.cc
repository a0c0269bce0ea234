#include "launcher/deadline_guard.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "common/host_name.h"
#include "launcher/exit_codes.h"
#include "trainer/communicator.h"

namespace muster::launcher {
namespace {

constexpr double kTickSeconds = 0.1, kLongestTickSeconds = 0.3, kOthersLaterSeconds = 3;

}  // namespace

DeadlineGuard::DeadlineGuard(std::string what, double limit_seconds)
    : what_(std::move(what)), limit_seconds_(limit_seconds) {
  if (limit_seconds > 0) thread_ = std::thread([this] { watch(); });
}

DeadlineGuard::~DeadlineGuard() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void DeadlineGuard::watch() {
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  const int rank = trainer::rank_from_environment();
  const double limit = limit_seconds_ + (rank == 0 ? 0 : kOthersLaterSeconds);
  std::unique_lock<std::mutex> lock(mutex_);
  for (double waited = 0; waited < limit;) {
    const Clock::time_point tick = Clock::now();
    if (changed_.wait_for(lock, Seconds(kTickSeconds), [this] { return over_; })) return;
    waited += std::min(Seconds(Clock::now() - tick).count(), kLongestTickSeconds);
  }
  std::cerr << "muster: rank " << rank << " on host " << common::host_name() << ": " << what_
            << " did not come back in " << std::llround(std::floor(limit))
            << " s: another rank does not answer" << std::endl;
  std::_Exit(kExitFailed);
}

}  // namespace muster::launcher
