#include "trainer/communicator_pair.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/trainer/communicator_contract.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

// Two channels of the same ranks, as MPI and NCCL are.
std::unique_ptr<Communicator> pair_of(Communicator& ranks) {
  auto host = ranks.duplicate();
  return create_communicator_pair(std::move(host), ranks.duplicate());
}

class CommunicatorPairContractTest
    : public testing::TestWithParam<std::tuple<int, CommunicatorCheck>> {};

TEST_P(CommunicatorPairContractTest, HoldsOnEachSide) {
  const auto& [size, check] = GetParam();
  run_ranks(size, [run = check.run](Communicator& ranks) {
    const auto pair = pair_of(ranks);
    run(*pair);
    run(pair->for_gpu_memory());
    run(pair->duplicate()->for_gpu_memory());
  });
}

INSTANTIATE_TEST_SUITE_P(Checks, CommunicatorPairContractTest,
                         testing::Combine(testing::Values(1, 3),
                                          testing::ValuesIn(communicator_checks())),
                         [](const auto& test) {
                           return std::get<1>(test.param).name + "On" +
                                  std::to_string(std::get<0>(test.param));
                         });

// Another order of calls on each side would be noticed by the ranks' rendezvous.
TEST(CommunicatorPairTest, TheSidesAreOrderedApart) {
  run_ranks(2, [](Communicator& ranks) {
    const auto pair = pair_of(ranks);
    double host = 1, gpu = 10;
    Communicator& first = ranks.rank() == 0 ? *pair : pair->for_gpu_memory();
    Communicator& second = ranks.rank() == 0 ? pair->for_gpu_memory() : *pair;
    double& one = ranks.rank() == 0 ? host : gpu;
    double& other = ranks.rank() == 0 ? gpu : host;
    auto pending_one = first.all_reduce_sum(&one, 1, ElementType::kFloat64);
    auto pending_other = second.all_reduce_sum(&other, 1, ElementType::kFloat64);
    pending_one->wait();
    pending_other->wait();
    EXPECT_EQ(host, 2);
    EXPECT_EQ(gpu, 20);
  });
}

TEST(CommunicatorPairTest, HostTensorsTravelByTheHost) {
  run_ranks(2, [](Communicator& ranks) {
    const auto pair = pair_of(ranks);
    EXPECT_EQ(&communicator_for(at::empty({0}), *pair), pair.get());
    EXPECT_EQ(&communicator_for(at::empty({0}, at::kMeta), *pair), &pair->for_gpu_memory());
    EXPECT_EQ(&communicator_for(at::empty({3}, at::kMeta), ranks), &ranks);
  });
}

TEST(CommunicatorPairTest, AbortCarriesTheExitCode) {
  try {
    run_ranks(2, [](Communicator& ranks) {
      const auto pair = pair_of(ranks);
      if (ranks.rank() == 1) pair->abort(7);
      pair->barrier();
    });
    FAIL() << "nothing was thrown";
  } catch (const AbortRequested& request) {
    EXPECT_EQ(request.exit_code, 7);
  }
}

TEST(CommunicatorPairTest, SidesOfDifferentRanksBreakARequirement) {
  run_ranks(2, [](Communicator& ranks) {
    EXPECT_THROW(create_communicator_pair(ranks.duplicate(), create_single_communicator()),
                 common::RequirementError);
  });
}

}  // namespace
}  // namespace muster::trainer
