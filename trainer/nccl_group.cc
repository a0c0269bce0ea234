#include "trainer/nccl_group.h"

#include <chrono>

#include "common/error.h"

namespace muster::trainer {
namespace {

static_assert(NCCL_VERSION_CODE >= NCCL_VERSION(2, 14, 0),
              "NCCL 2.14 has communicators that abort");

constexpr std::chrono::microseconds kBetweenLooks(50);     // at a call that is being queued
constexpr std::chrono::milliseconds kBetweenWatches(100);  // for faults
constexpr std::chrono::seconds kMostForFarewells(10);      // of peers that may be gone

std::string of_rank(int rank) { return "rank " + std::to_string(rank); }

}  // namespace

void check_cuda(cudaError_t status, int rank, const char* operation) {
  if (status == cudaSuccess) return;
  throw common::SystemError(of_rank(rank),
                            std::string(operation) + " failed: " + cudaGetErrorString(status));
}

NcclGroup::NcclGroup(const ncclUniqueId& identifier, int rank, int size) : rank_(rank) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  settle(ncclCommInitRankConfig(&group_, size, identifier, rank, &config), "joining the ranks");
}

NcclGroup::~NcclGroup() {
  if (aborted_ || group_ == nullptr) return;
  const auto until = std::chrono::steady_clock::now() + kMostForFarewells;
  ncclResult_t status = ncclCommFinalize(group_);
  while (status == ncclInProgress && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kBetweenLooks);
    status = asynchronous_status();
  }
  if (status == ncclSuccess) {
    ncclCommDestroy(group_);
  } else {
    ncclCommAbort(group_);
  }
}

ncclResult_t NcclGroup::asynchronous_status() {
  ncclResult_t status = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(group_, &status);
  return asked == ncclSuccess ? status : asked;
}

// The lock is given up between looks: abort() must get through to a call that hangs.
void NcclGroup::settle(ncclResult_t status, const char* operation) {
  while (status == ncclInProgress) {
    std::this_thread::sleep_for(kBetweenLooks);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (aborted_) break;
    status = asynchronous_status();
  }
  if (status == ncclSuccess) return;
  const char* reason = status == ncclInProgress ? "aborted" : ncclGetErrorString(status);
  throw common::SystemError(of_rank(rank_), std::string(operation) + " failed: " + reason);
}

void NcclGroup::start(const char* operation, const std::function<ncclResult_t(ncclComm_t)>& calls) {
  ncclResult_t status = ncclSuccess;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (aborted_) {
      throw common::SystemError(of_rank(rank_),
                                std::string(operation) + " failed: another rank is gone");
    }
    status = ncclGroupStart();
    if (status == ncclSuccess) {
      const ncclResult_t queued = calls(group_);
      status = ncclGroupEnd();
      if (queued != ncclSuccess && queued != ncclInProgress) status = queued;
    }
  }
  settle(status, operation);
}

void NcclGroup::require_sound(const char* operation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const ncclResult_t status = aborted_ ? ncclRemoteError : asynchronous_status();
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw common::SystemError(of_rank(rank_),
                            std::string(operation) + " failed: " + ncclGetErrorString(status));
}

bool NcclGroup::faulty() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (aborted_ || group_ == nullptr) return false;
  const ncclResult_t status = asynchronous_status();
  return status != ncclSuccess && status != ncclInProgress;
}

void NcclGroup::abort() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (aborted_ || group_ == nullptr) return;
  aborted_ = true;
  ncclCommAbort(group_);
}

NcclWatch::NcclWatch() : thread_([this] { watch(); }) {}

NcclWatch::~NcclWatch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void NcclWatch::add(const std::shared_ptr<NcclGroup>& group) {
  const std::lock_guard<std::mutex> lock(mutex_);
  groups_.push_back(group);
}

std::vector<std::shared_ptr<NcclGroup>> NcclWatch::alive() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::shared_ptr<NcclGroup>> groups;
  for (const std::weak_ptr<NcclGroup>& group : groups_) {
    if (auto held = group.lock()) groups.push_back(std::move(held));
  }
  return groups;
}

void NcclWatch::abort_all() noexcept {
  for (const std::shared_ptr<NcclGroup>& group : alive()) group->abort();
}

// One that is at fault takes the others along: their peers would wait for this rank in vain.
void NcclWatch::watch() {
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (changed_.wait_for(lock, kBetweenWatches, [this] { return stop_; })) return;
    }
    bool fault = false;
    for (const std::shared_ptr<NcclGroup>& group : alive()) fault = fault || group->faulty();
    if (fault) abort_all();
  }
}

}  // namespace muster::trainer
