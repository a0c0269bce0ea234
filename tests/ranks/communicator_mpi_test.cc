#include <gtest/gtest.h>

#include "tests/ranks/world.h"
#include "tests/trainer/communicator_contract.h"

namespace muster::trainer {
namespace {

class MpiCommunicatorContractTest : public testing::TestWithParam<CommunicatorCheck> {};

TEST_P(MpiCommunicatorContractTest, Holds) { GetParam().run(world()); }

INSTANTIATE_TEST_SUITE_P(Checks, MpiCommunicatorContractTest,
                         testing::ValuesIn(communicator_checks()),
                         [](const auto& test) { return test.param.name; });

TEST(MpiCommunicatorTest, TheLauncherIsNoticed) {
  EXPECT_TRUE(world().size() == 1 || started_by_mpi_launcher());
  EXPECT_EQ(rank_from_environment(), world().rank());
}

}  // namespace
}  // namespace muster::trainer
