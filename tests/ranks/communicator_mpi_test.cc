#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "tests/ranks/world.h"
#include "tests/trainer/communicator_contract.h"
#include "trainer/heartbeat_channel.h"
#include "trainer/watched_communicator.h"

namespace muster::trainer {
namespace {

class MpiCommunicatorContractTest : public testing::TestWithParam<CommunicatorCheck> {};

TEST_P(MpiCommunicatorContractTest, Holds) { GetParam().run(world()); }

INSTANTIATE_TEST_SUITE_P(Checks, MpiCommunicatorContractTest,
                         testing::ValuesIn(communicator_checks()),
                         [](const auto& test) { return test.param.name; });

class WatchedMpiCommunicatorContractTest : public testing::TestWithParam<CommunicatorCheck> {};

TEST_P(WatchedMpiCommunicatorContractTest, Holds) {
  OperationBoard board;
  GetParam().run(*create_watched_communicator(world(), board));
}

INSTANTIATE_TEST_SUITE_P(Checks, WatchedMpiCommunicatorContractTest,
                         testing::ValuesIn(communicator_checks()),
                         [](const auto& test) { return test.param.name; });

// Every rank sends to every other one; the latest of what could not leave yet replaces the rest.
TEST(MpiHeartbeatChannelTest, TheLatestOfEachRankArrivesAtAll) {
  const auto channel = create_mpi_heartbeat_channel();
  Heartbeat own;
  own.rank = world().rank();
  for (int64_t step = 1; step <= 100; ++step) {
    own.place.step = step;
    own.place.channels[3].started = 7 * step;
    for (int rank = 0; rank < world().size(); ++rank) {
      if (rank != own.rank) channel->send(rank, own);
    }
  }
  std::map<int, Heartbeat> last;
  int complete = 0;
  while (complete < world().size() - 1 || !channel->all_sent()) {
    for (const Heartbeat& heartbeat : channel->receive()) {
      EXPECT_GT(heartbeat.place.step, last[heartbeat.rank].place.step) << "out of order";
      last[heartbeat.rank] = heartbeat;
      complete += heartbeat.place.step == 100;
    }
  }
  EXPECT_EQ(static_cast<int>(last.size()), world().size() - 1);
  for (const auto& [rank, heartbeat] : last) {
    EXPECT_NE(rank, world().rank());
    EXPECT_EQ(heartbeat.place.channels[3].started, 700);
  }
  world().barrier();
}

TEST(MpiCommunicatorTest, TheLauncherIsNoticed) {
  EXPECT_TRUE(world().size() == 1 || started_by_mpi_launcher());
  EXPECT_EQ(rank_from_environment(), world().rank());
}

// In rank order, whatever arrives first: so the bits do not depend on the network.
TEST(MpiCommunicatorTest, LargeSumsAddInRankOrder) {
  constexpr int64_t kCount = 100003;
  const auto value = [](int rank, int64_t i) {
    return 1.0f / static_cast<float>(3 + 7 * i + 1000 * rank);
  };
  std::vector<float> values, sums;
  for (int64_t i = 0; i < kCount; ++i) {
    values.push_back(value(world().rank(), i));
    sums.push_back(value(0, i));
    for (int rank = 1; rank < world().size(); ++rank) sums.back() += value(rank, i);
  }
  world().all_reduce_sum(values.data(), kCount, ElementType::kFloat32)->wait();
  EXPECT_TRUE(values == sums);
}

// Nobody waits: the sums must arrive all the same.
TEST(MpiCommunicatorTest, ReductionsGoOnWhileNobodyWaits) {
  std::vector<float> values(500000, 1.0f);
  auto pending = world().all_reduce_sum(values.data(), 500000, ElementType::kFloat32);
  volatile const float* last = &values.back();
  volatile const float* first = &values.front();
  const auto expected = static_cast<float>(world().size());
  while (*last != expected || *first != expected) ::usleep(1000);
  pending->wait();
}

}  // namespace
}  // namespace muster::trainer
