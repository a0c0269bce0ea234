#include "trainer/compute_device.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/error.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"

namespace muster::trainer {
namespace {

const at::Device kCpu(at::kCPU);
at::Device gpu(int index) { return {at::kCUDA, static_cast<at::DeviceIndex>(index)}; }

std::string refusal(proto::Device choice, const GpuFacts& facts, int local_rank) {
  return common::failure_text<common::InputError>(
      [&] { chosen_device(choice, facts, local_rank); });
}

TEST(ComputeDeviceTest, AutoTakesAGpuWhereThereIsOne) {
  EXPECT_EQ(chosen_device(proto::AUTO, {false, 0}, 3), kCpu);
  EXPECT_EQ(chosen_device(proto::AUTO, {true, 0}, 3), kCpu);
  EXPECT_EQ(chosen_device(proto::AUTO, {true, 4}, 3), gpu(3));
}

TEST(ComputeDeviceTest, CpuIsTakenWhateverElseIsThere) {
  EXPECT_EQ(chosen_device(proto::CPU, {true, 4}, 9), kCpu);
}

// Schedulers that bind each task to a GPU show it as device 0.
TEST(ComputeDeviceTest, TheOnlyVisibleGpuIsEveryRanks) {
  EXPECT_EQ(chosen_device(proto::CUDA, {true, 1}, 0), gpu(0));
  EXPECT_EQ(chosen_device(proto::CUDA, {true, 1}, 5), gpu(0));
}

TEST(ComputeDeviceTest, OfSeveralEachLocalRankHasItsOwn) {
  EXPECT_EQ(chosen_device(proto::CUDA, {true, 2}, 0), gpu(0));
  EXPECT_EQ(chosen_device(proto::CUDA, {true, 2}, 1), gpu(1));
  EXPECT_TRUE(common::contains(refusal(proto::CUDA, {true, 2}, 2), "local rank 2 has no GPU"));
  EXPECT_TRUE(common::contains(refusal(proto::AUTO, {true, 2}, 2), "local rank 2 has no GPU"));
}

TEST(ComputeDeviceTest, WhatIsMissingIsSaid) {
  EXPECT_TRUE(common::contains(refusal(proto::CUDA, {false, 0}, 0), "this build has no CUDA"));
  EXPECT_TRUE(common::contains(refusal(proto::CUDA, {true, 0}, 0), "no GPU is visible"));
}

TEST(ComputeDeviceTest, RanksAgree) {
  run_ranks(3, [](Communicator& ranks) {
    const int rank = ranks.rank();
    EXPECT_EQ(agreed_device(proto::AUTO, {true, 3}, rank, ranks), gpu(rank));
    EXPECT_EQ(agreed_device(proto::AUTO, {true, 0}, rank, ranks), kCpu);
  });
}

TEST(ComputeDeviceTest, OneRanksFaultIsTheSameOnAll) {
  run_ranks(3, [](Communicator& ranks) {
    const auto told = [&](proto::Device choice, const GpuFacts& facts) {
      return common::failure_text<common::InputError>(
          [&] { agreed_device(choice, facts, ranks.rank(), ranks); });
    };
    EXPECT_TRUE(common::contains(told(proto::CUDA, {true, 2}), "local rank 2 has no GPU"));
    const int visible = ranks.rank() == 1 ? 0 : 3;
    EXPECT_TRUE(common::contains(told(proto::AUTO, {true, visible}), "only 2 of 3 ranks"));
    EXPECT_TRUE(common::contains(told(proto::CUDA, {true, visible}), "no GPU is visible"));
  });
}

TEST(ComputeDeviceTest, TheLocalRankIsTheLaunchers) {
  ::unsetenv("SLURM_LOCALID");
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
  EXPECT_EQ(local_rank_from_environment(), 0);
  ::setenv("OMPI_COMM_WORLD_LOCAL_RANK", "2", 1);
  EXPECT_EQ(local_rank_from_environment(), 2);
  ::setenv("SLURM_LOCALID", "3", 1);
  EXPECT_EQ(local_rank_from_environment(), 3);
  ::unsetenv("SLURM_LOCALID");
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
}

}  // namespace
}  // namespace muster::trainer
