// Watchdogs of ranks that are threads of one process, so that nobody dies but in name.
#include "trainer/watchdog.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "tests/fakes/in_process_communicator.h"
#include "tests/fakes/in_process_heartbeats.h"
#include "trainer/peer_processes.h"
#include "trainer/watched_communicator.h"

namespace muster::trainer {
namespace {

// What the watchdogs of all ranks said and did. Any thread.
class Record {
 public:
  explicit Record(int size) : exchange(size) {}
  HeartbeatExchange exchange;
  WatchdogOptions options(double limit_seconds) {
    WatchdogOptions options;
    options.limit_seconds = limit_seconds;
    options.tell = [this](const std::string& line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.push_back(line);
    };
    options.on_verdict = [this](FaultKind kind) {
      const std::lock_guard<std::mutex> lock(mutex_);
      kinds_.push_back(kind);
    };
    options.end_job = [this] {
      if (!ended_.exchange(true)) end_.set_value();
    };
    return options;
  }
  // Until some watchdog ended the job.
  void wait_for_end() { over_.wait(); }
  std::vector<std::string> lines() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return lines_;
  }
  std::vector<FaultKind> kinds() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return kinds_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::vector<FaultKind> kinds_;
  std::atomic<bool> ended_{false};
  std::promise<void> end_;
  std::shared_future<void> over_ = end_.get_future().share();
};

class SilentRankTest : public testing::TestWithParam<int> {};

TEST_P(SilentRankTest, IsNamedOnceByAnother) {
  const int silent = GetParam();
  Record record(3);
  run_ranks(3, [&](Communicator& communicator) {
    OperationBoard board;
    board.finish_step(4);
    const auto watched = create_watched_communicator(communicator, board);
    auto options = record.options(1.2);
    if (communicator.rank() == silent) options.tell = [](const std::string&) {};
    if (communicator.rank() == silent) options.on_verdict = nullptr;
    if (communicator.rank() == silent) options.end_job = [] {};
    Watchdog watchdog(communicator, record.exchange.channel(communicator.rank()), board, options);
    watched->barrier();
    if (communicator.rank() == silent) {
      record.exchange.wait_until_past_first_operation(silent);
      record.exchange.silence(silent);
    }
    record.wait_for_end();
  });
  ASSERT_EQ(record.lines().size(), 1u);
  const std::string line = record.lines()[0];
  EXPECT_EQ(line.find("muster: rank " + std::to_string(silent) + " on host "), 0u) << line;
  EXPECT_NE(line.find("last seen computing after barrier 1 (after step 4)"), std::string::npos)
      << line;
  EXPECT_EQ(record.kinds(), std::vector<FaultKind>{FaultKind::kSilent});
}

INSTANTIATE_TEST_SUITE_P(Each, SilentRankTest, testing::Values(0, 1, 2));

TEST(WatchdogTest, ARankThatComputesWhileOthersWaitIsNamed) {
  Record record(2);
  run_ranks(2, [&](Communicator& communicator) {
    OperationBoard board;
    const auto watched = create_watched_communicator(communicator, board);
    Watchdog watchdog(communicator, record.exchange.channel(communicator.rank()), board,
                      record.options(0.8));
    if (communicator.rank() == 1) record.wait_for_end();
    watched->barrier();
  });
  ASSERT_EQ(record.lines().size(), 1u);
  EXPECT_NE(record.lines()[0].find("has not moved for"), std::string::npos);
  EXPECT_NE(record.lines()[0].find("last seen computing (before a step); rank 0: waiting in "
                                   "barrier 1 (before a step)"),
            std::string::npos)
      << record.lines()[0];
  EXPECT_EQ(record.kinds(), std::vector<FaultKind>{FaultKind::kStuck});
}

TEST(WatchdogTest, ARankThatEndsEarlyIsNotMissed) {
  Record record(3);
  run_ranks(3, [&](Communicator& communicator) {
    OperationBoard board;
    Watchdog watchdog(communicator, record.exchange.channel(communicator.rank()), board,
                      record.options(0.4));
    if (communicator.rank() != 2) ::usleep(1200000);
  });
  EXPECT_TRUE(record.lines().empty()) << record.lines()[0];
}

// Rank 2 falls silent because rank 1 is ending the job: rank 0 has nothing to add.
TEST(WatchdogTest, AFailureThatWasToldIsNotToldAgain) {
  Record record(3);
  run_ranks(3, [&](Communicator& communicator) {
    OperationBoard board;
    WatchdogOptions options = record.options(0.4);
    if (communicator.rank() == 2) options.tell = [](const std::string&) {};
    Watchdog watchdog(communicator, record.exchange.channel(communicator.rank()), board, options);
    if (communicator.rank() == 1) watchdog.announce_failure();
    if (communicator.rank() == 2) record.exchange.silence(2);
    ::usleep(1500000);
  });
  EXPECT_TRUE(record.lines().empty()) << record.lines()[0];
}

TEST(PeerProcessesTest, AChildIsAliveWhileStoppedAndNotOnceItIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const ProcessMark own = mark_of_this_process();
    if (::write(ends[1], &own, sizeof(own)) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  ProcessMark mark;
  ASSERT_EQ(::read(ends[0], &mark, sizeof(mark)), static_cast<ssize_t>(sizeof(mark)));
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_EQ(mark.pid, child);
  EXPECT_TRUE(is_alive(mark));
  EXPECT_FALSE(is_alive({mark.pid, mark.start_time + 1})) << "another one with its number";
  ::kill(child, SIGSTOP);
  int status = 0;
  ::waitpid(child, &status, WUNTRACED);
  EXPECT_TRUE(is_alive(mark));
  ::kill(child, SIGKILL);
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(is_alive(mark)) << "not yet collected by its parent";
  ::waitpid(child, &status, 0);
  EXPECT_FALSE(is_alive(mark));
}

}  // namespace
}  // namespace muster::trainer
