#include "trainer/parameter_agreement.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "common/error.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/models/support.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::SystemError;

models::NamedTensors agreed_weights() {
  return {{"conv.weight", models::normal_tensor({3, 4}, 1, at::kFloat)},
          {"conv.bias", models::normal_tensor({7}, 2)},
          {"norm.count", at::arange(5, at::kLong)}};
}

void flip_lowest_bit(const at::Tensor& tensor, int64_t byte) {
  static_cast<uint8_t*>(tensor.data_ptr())[byte] ^= 1;
}

// One bit of each tensor named is flipped on each rank named; what the ranks are told.
std::vector<std::string> told(int ranks, const std::set<int>& diverged,
                              const std::vector<size_t>& tensors) {
  std::vector<std::string> texts(static_cast<size_t>(ranks));
  run_ranks(ranks, [&](Communicator& communicator) {
    const models::NamedTensors weights = agreed_weights();
    if (diverged.count(communicator.rank()) > 0) {
      for (const size_t tensor : tensors) flip_lowest_bit(weights[tensor].second, 17);
    }
    try {
      require_agreement(weights, 300, communicator);
    } catch (const SystemError& failure) {
      texts[static_cast<size_t>(communicator.rank())] = failure.what();
    }
  });
  return texts;
}

TEST(ParameterAgreementTest, EqualWeightsPass) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    for (const std::string& text : told(ranks, {}, {})) EXPECT_EQ(text, "");
  }
}

TEST(ParameterAgreementTest, OneFlippedBitNamesRankTensorAndStep) {
  for (int diverged = 0; diverged < 3; ++diverged) {
    for (const std::string& text : told(3, {diverged}, {1, 2})) {
      EXPECT_EQ(text.find("rank " + std::to_string(diverged) + ": "), 0u) << text;
      EXPECT_TRUE(contains(text, "step 300")) << text;
      EXPECT_TRUE(contains(text, "first in conv.bias")) << text;
      EXPECT_TRUE(contains(text, diverged == 0 ? "those of rank 1 and 1 more" : "those of rank 0"))
          << text;
    }
  }
}

TEST(ParameterAgreementTest, OfTwoRanksRank0IsBelieved) {
  for (const std::string& text : told(2, {0}, {0})) {
    EXPECT_EQ(text.find("rank 1: "), 0u) << text;
    EXPECT_TRUE(contains(text, "first in conv.weight")) << text;
  }
}

TEST(ParameterAgreementTest, SeveralRanksAreAllNamed) {
  for (const std::string& text : told(5, {1, 3}, {2})) {
    EXPECT_EQ(text.find("ranks 1, 3: "), 0u) << text;
    EXPECT_TRUE(contains(text, "first in norm.count")) << text;
  }
}

TEST(ParameterAgreementTest, TheSignOfZeroCounts) {
  run_ranks(2, [](Communicator& communicator) {
    const at::Tensor value = at::zeros({2}) * (communicator.rank() == 0 ? 1 : -1);
    EXPECT_THROW(require_agreement({{"value", value}}, 1, communicator), SystemError);
  });
}

TEST(ParameterAgreementTest, LayoutInMemoryDoesNotCount) {
  run_ranks(2, [](Communicator& communicator) {
    const at::Tensor value = models::normal_tensor({3, 4}, 1);
    const at::Tensor same = communicator.rank() == 0 ? value : value.t().contiguous().t();
    EXPECT_NO_THROW(require_agreement({{"value", same}}, 1, communicator));
  });
}

TEST(ParameterAgreementTest, IntervalIsASetting) {
  proto::Training training;
  EXPECT_EQ(steps_between_checks(training), 100);
  training.set_check_parameters_every(-1);
  EXPECT_TRUE(contains(failure_text<common::InputError>([&] { steps_between_checks(training); }),
                       "training.check_parameters_every: -1"));
}

}  // namespace
}  // namespace muster::trainer
