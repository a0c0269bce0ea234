#include "trainer/watchdog.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <iostream>
#include <mutex>
#include <thread>

#include "common/host_name.h"
#include "trainer/peer_processes.h"

namespace muster::trainer {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{100};
// What one look may add to the watchdog's time: a thread that was stopped for longer has no right
// to call others silent.
constexpr double kMostOfOneLook = 1;
// So that what is told of a dead rank is fresh; seldom where one rank hears many.
constexpr double kBetweenHeartbeats = 0.1, kBetweenHeartbeatsOfMany = 1;  // seconds
constexpr int kMany = 64;                                                 // ranks
// If this rank is being ended with the one that died, it is gone before it speaks.
constexpr milliseconds kBeforeDeathIsTold{50};
constexpr double kBeforeAnotherTells = 1;    // seconds for the rank whose turn it is
constexpr double kBeforeEndingUnasked = 10;  // seconds for the rank that announced the end
constexpr milliseconds kForMessagesToLeave{200};
// A rank that was stopped is woken to be ended, with a job whose end others have told; what they
// sent meanwhile may not have reached it. Slurm gives it 30 s.
constexpr double kAfterWaking = 40;  // seconds

// What ranks tell each other at the start, as bytes.
struct RankProcess {
  std::array<char, 128> place{};  // equal: one host and one space of process numbers
  std::array<char, 72> host{};
  ProcessMark process;
};

template <size_t kSize>
void copy_text(const std::string& text, std::array<char, kSize>& to) {
  std::memcpy(to.data(), text.data(), std::min(text.size(), kSize - 1));
}

std::vector<RankProcess> processes_of_all(Communicator& communicator) {
  RankProcess own;
  copy_text(common::process_place(), own.place);
  copy_text(common::host_name(), own.host);
  own.process = mark_of_this_process();
  const auto size = static_cast<size_t>(communicator.size());
  std::vector<RankProcess> all(size);
  const std::vector<int64_t> counts(size, static_cast<int64_t>(sizeof(RankProcess)));
  communicator.all_gather(&own, all.data(), counts, ElementType::kByte);
  return all;
}

// The two lowest ranks of `rank`'s host.
bool speaks_for_host(const std::vector<RankProcess>& ranks, int rank) {
  int lower = 0;
  for (int other = 0; other < rank; ++other) {
    lower += ranks[static_cast<size_t>(other)].place == ranks[static_cast<size_t>(rank)].place;
  }
  return lower < 2;
}

// Whether `from` tells `to` where it is.
bool tells(const std::vector<RankProcess>& ranks, int from, int to) {
  if (from == to) return false;
  if (from < 2 || to < 2) return true;
  return ranks[static_cast<size_t>(from)].place == ranks[static_cast<size_t>(to)].place &&
         speaks_for_host(ranks, to);
}

bool same_place(const Whereabouts& left, const Whereabouts& right) {
  const auto same_channel = [](const ChannelPlace& a, const ChannelPlace& b) {
    return a.started == b.started && a.awaited == b.awaited;
  };
  return left.step == right.step && std::equal(left.channels.begin(), left.channels.end(),
                                               right.channels.begin(), same_channel);
}

double patience_of(int rank) { return rank == 0 ? 1 : rank == 1 ? 1.25 : 1.5; }

void tell_on_standard_error(const std::string& line) {
  const std::string text = line + "\n";
  std::cerr.write(text.data(), static_cast<std::streamsize>(text.size())).flush();
}

}  // namespace

class Watchdog::Guard {
 public:
  Guard(Communicator& communicator, std::unique_ptr<HeartbeatChannel> channel,
        const OperationBoard& board, const WatchdogOptions& options)
      : communicator_(communicator),
        channel_(std::move(channel)),
        board_(board),
        options_(options),
        rank_(communicator.rank()),
        limit_(options.limit_seconds * patience_of(communicator.rank())),
        beat_every_(
            std::min(communicator.size() < kMany ? kBetweenHeartbeats : kBetweenHeartbeatsOfMany,
                     options.limit_seconds / 8)),
        processes_(processes_of_all(communicator)),
        sights_(processes_.size()),
        own_(sights_[static_cast<size_t>(rank_)]) {
    for (int rank = 0; rank < communicator.size(); ++rank) {
      RankSight& sight = sights_[static_cast<size_t>(rank)];
      const RankProcess& process = processes_[static_cast<size_t>(rank)];
      sight.host = process.host.data();
      sight.pid = process.process.pid;
      sight.listens = rank == rank_ || tells(processes_, rank, rank_);
    }
    own_.heard = true;
    own_.last.rank = rank_;
    thread_ = std::thread([this] { run(); });
  }

  ~Guard() {
    ask([this] { stopping_ = true; });
    thread_.join();
    if (own_.last.state == RankState::kRunning) announce(RankState::kGone);
  }

  void announce_failure() {
    ask([this] { failing_ = true; });
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, 2 * kForMessagesToLeave, [this] { return announced_; });
  }

 private:
  template <typename Change>
  void ask(const Change& change) {
    const std::lock_guard<std::mutex> lock(mutex_);
    change();
    changed_.notify_all();
  }

  void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    SteadyClock::time_point last = SteadyClock::now();
    while (!stopping_ && !over_) {
      if (failing_ && !announced_) {
        announce(RankState::kFailing);
        announced_ = true;
        changed_.notify_all();
      }
      lock.unlock();
      const auto passed = SteadyClock::now() - last;
      last += passed;
      const double seconds = std::chrono::duration<double>(passed).count();
      now_ += std::min(seconds, kMostOfOneLook);
      if (seconds > kMostOfOneLook) deaths_count_from_ = now_ + kAfterWaking;
      look();
      lock.lock();
      if (!stopping_ && !over_) changed_.wait_for(lock, kLookEvery);
    }
  }

  void look() {
    look_at_own_rank();
    listen();
    if (now_ >= next_beat_) {
      next_beat_ = now_ + beat_every_;
      send_to_all();
    }
    channel_->all_sent();  // lets go of what could not leave before
    if (own_.last.state != RankState::kRunning) return;
    if (failure_told_at_ >= 0) {
      if (now_ - failure_told_at_ > kBeforeEndingUnasked) end_job();
      return;
    }
    if (const auto dead = dead_peer()) return tell(verdict_of_death(sights_, *dead));
    if (const auto verdict = judge(sights_, now_, limit_, options_.work)) return tell(*verdict);
  }

  void look_at_own_rank() {
    const Whereabouts place = board_.read();
    if (!same_place(place, own_.last.place)) own_.still_since = now_;
    own_.last.place = place;
    own_.last.still_seconds = now_ - own_.still_since;
    own_.heard_at = now_;
  }

  void listen() {
    for (const Heartbeat& heartbeat : channel_->receive()) {
      if (heartbeat.rank < 0 || heartbeat.rank >= communicator_.size()) continue;
      RankSight& sight = sights_[static_cast<size_t>(heartbeat.rank)];
      sight.last = heartbeat;
      sight.heard = true;
      sight.heard_at = now_;
      sight.still_since = now_ - heartbeat.still_seconds;
      if (heartbeat.state == RankState::kFailing && failure_told_at_ < 0) failure_told_at_ = now_;
    }
  }

  void send_to_all() {
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      if (tells(processes_, rank_, rank)) channel_->send(rank, own_.last);
    }
  }

  // To everybody who listens to this rank, and waits a little until it has left.
  void announce(RankState state) {
    own_.last.state = state;
    send_to_all();
    const auto deadline = SteadyClock::now() + kForMessagesToLeave;
    while (!channel_->all_sent() && SteadyClock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  bool has_died(int rank) const {
    const auto index = static_cast<size_t>(rank);
    const bool known = processes_[index].process.start_time > 0;
    return rank != rank_ && known && sights_[index].last.state == RankState::kRunning &&
           processes_[index].place == processes_[static_cast<size_t>(rank_)].place &&
           !is_alive(processes_[index].process);
  }

  // The lowest rank of this host that died, if it is this rank's turn to tell: the lowest living
  // one's, and everybody's when it does not.
  std::optional<int> dead_peer() {
    if (now_ < deaths_count_from_) return std::nullopt;
    std::optional<int> dead;
    bool lowest = true;
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      const bool died = has_died(rank);
      if (died && !dead) dead = rank;
      const bool of_host = processes_[static_cast<size_t>(rank)].place ==
                           processes_[static_cast<size_t>(rank_)].place;
      if (rank < rank_ && of_host && !died) lowest = false;
    }
    if (!dead) return std::nullopt;
    if (death_seen_at_ < 0) {
      death_seen_at_ = now_;
      std::this_thread::sleep_for(kBeforeDeathIsTold);
      listen();  // it may have told why before it ended
      if (failure_told_at_ >= 0 || !has_died(*dead)) return std::nullopt;
    }
    if (lowest || now_ - death_seen_at_ > kBeforeAnotherTells) return dead;
    return std::nullopt;
  }

  void tell(const Verdict& verdict) {
    options_.tell ? options_.tell(verdict.line) : tell_on_standard_error(verdict.line);
    if (options_.on_verdict) options_.on_verdict(verdict.kind);
    announce(RankState::kFailing);
    std::this_thread::sleep_for(kBeforeDeathIsTold);  // the launcher reads the line meanwhile
    end_job();
  }

  void end_job() {
    own_.last.state = RankState::kFailing;
    over_ = true;
    if (options_.end_job) return options_.end_job();
    communicator_.abort(1);
  }

  Communicator& communicator_;
  const std::unique_ptr<HeartbeatChannel> channel_;
  const OperationBoard& board_;
  const WatchdogOptions options_;
  const int rank_;
  const double limit_, beat_every_;           // seconds
  const std::vector<RankProcess> processes_;  // per rank
  std::vector<RankSight> sights_;             // per rank; the thread's
  RankSight& own_;
  double now_ = 0, next_beat_ = 0;  // seconds that this watchdog was awake
  double failure_told_at_ = -1, death_seen_at_ = -1;
  double deaths_count_from_ = 0;
  bool over_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false, failing_ = false, announced_ = false;
  std::thread thread_;
};

Watchdog::Watchdog(Communicator& communicator, std::unique_ptr<HeartbeatChannel> channel,
                   const OperationBoard& board, const WatchdogOptions& options)
    : guard_(std::make_unique<Guard>(communicator, std::move(channel), board, options)) {}

Watchdog::~Watchdog() = default;

void Watchdog::announce_failure() { guard_->announce_failure(); }

}  // namespace muster::trainer
