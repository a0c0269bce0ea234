#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/gpu/gpu_world.h"
#include "tests/gpu/staging_communicator.h"
#include "tests/trainer/communicator_contract.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

class NcclCommunicatorContractTest : public testing::TestWithParam<CommunicatorCheck> {};

TEST_P(NcclCommunicatorContractTest, Holds) {
  if (gpu_world().size() == 1) return;  // then there is none
  GetParam().run(*create_staging_communicator(gpu_world().for_gpu_memory()));
}

INSTANTIATE_TEST_SUITE_P(Checks, NcclCommunicatorContractTest,
                         testing::ValuesIn(communicator_checks()),
                         [](const auto& test) { return test.param.name; });

// Work that was queued before a collective is seen by it, and its result by what is queued after:
// long products on both sides, no host in between.
TEST(NcclCommunicatorTest, CollectivesKeepTheOrderOfTheCallersStream) {
  const auto on_gpu = at::TensorOptions(at::kDouble).device(gpu_of_this_rank());
  for (int round = 0; round < 10; ++round) {
    at::Tensor value = at::eye(1500, on_gpu) * (gpu_world().rank() + 1);
    for (int i = 0; i < 5; ++i) value = value.mm(at::eye(1500, on_gpu)) + round;
    const at::Tensor own = value.clone();
    communicator_for(value, gpu_world())
        .all_reduce_sum(value.data_ptr(), value.numel(), ElementType::kFloat64)
        ->wait();
    const at::Tensor doubled = value * 2;
    value.zero_();
    const std::vector<int64_t> counts(static_cast<size_t>(gpu_world().size()), 1500);
    const at::Tensor all = gather_constant_rows(own, counts, gpu_world());
    const at::Tensor expected = all.view({gpu_world().size(), 1500, 1500}).sum(0) * 2;
    EXPECT_LE((doubled - expected).abs().max().item<double>(),
              1e-9 * expected.abs().max().item<double>());
  }
}

}  // namespace
}  // namespace muster::trainer
