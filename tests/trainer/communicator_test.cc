#include "trainer/communicator.h"

#include <gtest/gtest.h>

#include <atomic>

#include "common/error.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/trainer/communicator_contract.h"

namespace muster::trainer {
namespace {

class SingleCommunicatorContractTest : public testing::TestWithParam<CommunicatorCheck> {};

TEST_P(SingleCommunicatorContractTest, Holds) { GetParam().run(*create_single_communicator()); }

INSTANTIATE_TEST_SUITE_P(Checks, SingleCommunicatorContractTest,
                         testing::ValuesIn(communicator_checks()),
                         [](const auto& test) { return test.param.name; });

class InProcessCommunicatorContractTest
    : public testing::TestWithParam<std::tuple<int, CommunicatorCheck>> {};

TEST_P(InProcessCommunicatorContractTest, Holds) {
  const auto& [size, check] = GetParam();
  run_ranks(size, check.run);
}

INSTANTIATE_TEST_SUITE_P(Checks, InProcessCommunicatorContractTest,
                         testing::Combine(testing::Values(1, 2, 3, 4),
                                          testing::ValuesIn(communicator_checks())),
                         [](const auto& test) {
                           return std::get<1>(test.param).name + "On" +
                                  std::to_string(std::get<0>(test.param));
                         });

TEST(InProcessCommunicatorTest, EachRankRunsOnce) {
  std::atomic<int> sum_of_ranks{0};
  run_ranks(4, [&](Communicator& communicator) { sum_of_ranks += 1 << (4 * communicator.rank()); });
  EXPECT_EQ(sum_of_ranks, 0x1111);
}

// (0.1 + 0.2) + 0.3 and 0.1 + (0.2 + 0.3) differ in the last bit.
TEST(InProcessCommunicatorTest, SumsAddInRankOrder) {
  run_ranks(3, [](Communicator& communicator) {
    double value = 0.1 * (communicator.rank() + 1);
    const double expected = (0.0 + 0.1 * 1 + 0.1 * 2) + 0.1 * 3;
    communicator.all_reduce_sum(&value, 1, ElementType::kFloat64)->wait();
    EXPECT_EQ(value, expected);
  });
}

TEST(InProcessCommunicatorTest, TheFirstFailureIsRethrownAndTheOthersDoNotHang) {
  const std::string text = common::failure_text<common::InputError>([] {
    run_ranks(3, [](Communicator& communicator) {
      if (communicator.rank() == 1) throw common::InputError("rank 1", "has had enough");
      communicator.barrier();
    });
  });
  EXPECT_TRUE(common::contains(text, "has had enough")) << text;
}

TEST(InProcessCommunicatorTest, DifferentCallsAreNoticed) {
  EXPECT_THROW(
      run_ranks(2,
                [](Communicator& communicator) {
                  double values[2] = {0, 0};
                  const int64_t count = communicator.rank() + 1;
                  communicator.all_reduce_sum(values, count, ElementType::kFloat64)->wait();
                }),
      common::RequirementError);
}

TEST(InProcessCommunicatorTest, AbortCarriesTheExitCode) {
  try {
    run_ranks(2, [](Communicator& communicator) {
      if (communicator.rank() == 1) communicator.abort(7);
      communicator.barrier();
    });
    FAIL() << "nothing was thrown";
  } catch (const AbortRequested& request) {
    EXPECT_EQ(request.exit_code, 7);
  }
}

TEST(SingleCommunicatorTest, RefusesARootThatIsNotThere) {
  double value = 0;
  EXPECT_THROW(create_single_communicator()->broadcast(&value, 1, ElementType::kFloat64, 1),
               common::RequirementError);
}

}  // namespace
}  // namespace muster::trainer
