#include "launcher/stop_request.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"

namespace muster::launcher {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

TEST(DurationTest, IsASumOfNumbersWithUnits) {
  EXPECT_EQ(parsed_duration("90s", "x"), seconds(90));
  EXPECT_EQ(parsed_duration("5m", "x"), seconds(300));
  EXPECT_EQ(parsed_duration("1h30m", "x"), seconds(5400));
  EXPECT_EQ(parsed_duration("2d", "x"), seconds(172800));
  EXPECT_EQ(parsed_duration("0s", "x"), seconds(0));
}

TEST(DurationTest, AnythingElseIsRefusedByTheOptionsName) {
  for (const char* text : {"", "5", "m", "5x", "-5m", "1.5h", " 5m", "5m ", "m5", "367d", "400d1s",
                           "99999999999999999999s"}) {
    try {
      parsed_duration(text, "stop-before");
      ADD_FAILURE() << "'" << text << "' was taken";
    } catch (const common::InputError& failure) {
      EXPECT_NE(std::string(failure.what()).find("--stop-before"), std::string::npos);
    }
  }
}

TEST(StopWantedTest, FromTheMarginBeforeTheEndOn) {
  const auto now = system_clock::now();
  EXPECT_FALSE(stop_wanted(std::nullopt, seconds(100))());
  EXPECT_FALSE(stop_wanted(now + seconds(500), seconds(100))());
  EXPECT_TRUE(stop_wanted(now + seconds(50), seconds(100))());
  EXPECT_TRUE(stop_wanted(now - seconds(50), seconds(0))());
}

class SlurmEnvironmentTest : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("SLURM_JOB_END_TIME");
    ::unsetenv("SLURM_JOB_ID");
  }
  void TearDown() override { SetUp(); }
};

TEST_F(SlurmEnvironmentTest, OutsideOfSlurmThereIsNoEnd) {
  EXPECT_EQ(end_of_slurm_job(), std::nullopt);
}

TEST_F(SlurmEnvironmentTest, TheEndIsSlurms) {
  ::setenv("SLURM_JOB_END_TIME", "1800000000", 1);
  ASSERT_TRUE(end_of_slurm_job().has_value());
  EXPECT_EQ(system_clock::to_time_t(*end_of_slurm_job()), 1800000000);
  ::setenv("SLURM_JOB_END_TIME", "unlimited", 1);
  EXPECT_EQ(end_of_slurm_job(), std::nullopt);
}

void wait_longer_than_one_request_lasts() {
  const timespec time{0, 150'000'000};
  ::nanosleep(&time, nullptr);
}

// The process of a death test begins anew, without the handlers of other tests.
TEST(StopSignalDeathTest, TheFirstOneAsksAndTheSecondEnds) {
  for (const auto& [signal, name] : {std::pair(SIGTERM, "SIGTERM"), std::pair(SIGUSR2, "SIGUSR2"),
                                     std::pair(SIGINT, "SIGINT")}) {
    EXPECT_EXIT(
        {
          let_signals_ask();
          if (!asking_signal().empty() || stop_wanted(std::nullopt, seconds(0))()) ::_exit(3);
          ::raise(signal);
          if (asking_signal() != name || !stop_wanted(std::nullopt, seconds(0))()) ::_exit(4);
          wait_longer_than_one_request_lasts();
          ::raise(signal);
          ::_exit(5);
        },
        testing::KilledBySignal(signal), "");
  }
}

TEST(StopSignalDeathTest, AnotherOneEndsAtAnyTime) {
  EXPECT_EXIT(
      {
        let_signals_ask();
        ::raise(SIGTERM);
        ::raise(SIGINT);
        ::_exit(5);
      },
      testing::KilledBySignal(SIGINT), "");
}

// True if a process outlives the same signal twice in a row.
bool outlives_twice_at_once() {
  const pid_t child = ::fork();
  if (child == 0) {
    let_signals_ask();
    ::raise(SIGUSR2);
    ::raise(SIGUSR2);
    ::_exit(asking_signal() == "SIGUSR2" ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A launcher and Slurm may both pass it on. A machine may stand still between the two: the best of
// some tries counts.
TEST(StopSignalTest, WhatComesTwiceAtOnceWasSentOnce) {
  bool outlived = false;
  for (int attempt = 0; attempt < 20 && !outlived; ++attempt) outlived = outlives_twice_at_once();
  EXPECT_TRUE(outlived);
}

}  // namespace
}  // namespace muster::launcher
