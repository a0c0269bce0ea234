#include "models/layers/tanh_recurrence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

// The equation of the header, one number at a time.
at::Tensor in_plain_loops(const at::Tensor& drive, const at::Tensor& weight, double scale,
                          const at::Tensor& masks) {
  at::Tensor outputs = drive.detach().clone();
  const auto d = drive.accessor<double, 3>();
  const auto w = weight.accessor<double, 2>();
  auto o = outputs.accessor<double, 3>();
  for (int64_t clip = 0; clip < drive.size(0); ++clip) {
    for (int64_t t = 1; t < drive.size(1); ++t) {
      for (int64_t i = 0; i < drive.size(2); ++i) {
        o[clip][t][i] = d[clip][t][i];
        for (int64_t j = 0; j < drive.size(2); ++j) {
          const double mask = masks.defined() ? masks.accessor<double, 3>()[clip][t - 1][j] : 1;
          o[clip][t][i] += scale * w[i][j] * mask * std::tanh(o[clip][t - 1][j]);
        }
      }
    }
  }
  return outputs;
}

at::Tensor variable(at::IntArrayRef shape, uint64_t key) {
  return normal_tensor(shape, key).requires_grad_();
}

TEST(TanhRecurrenceTest, EqualsItsEquationInPlainLoops) {
  for (const int64_t clips : {1, 3}) {
    for (const int64_t frames : {1, 2, 5}) {
      const at::Tensor drive = normal_tensor({clips, frames, 4}, 1);
      const at::Tensor weight = normal_tensor({4, 4}, 2);
      const at::Tensor masks = normal_tensor({clips, frames - 1, 4}, 3);
      for (const at::Tensor& mask : {at::Tensor(), masks}) {
        EXPECT_LT(largest_difference(tanh_recurrence(drive, weight, 0.7, mask),
                                     in_plain_loops(drive, weight, 0.7, mask)),
                  1e-12);
      }
    }
  }
}

TEST(TanhRecurrenceTest, GradientEqualsFiniteDifferences) {
  for (const int64_t frames : {1, 2, 4}) {
    const at::Tensor drive = variable({2, frames, 3}, 1), weight = variable({3, 3}, 2);
    const at::Tensor masks = normal_tensor({2, frames - 1, 3}, 3);
    const at::Tensor share = normal_tensor({2, frames, 3}, 4);
    for (const at::Tensor& mask : {at::Tensor(), masks}) {
      const auto loss = [&] { return (tanh_recurrence(drive, weight, 0.7, mask) * share).sum(); };
      drive.mutable_grad() = at::Tensor();
      weight.mutable_grad() = at::Tensor();
      loss().backward();
      for (const at::Tensor& value : {drive, weight}) {
        for (int64_t i = 0; i < value.numel(); ++i) {
          const double numeric =
              numeric_derivative(value.detach(), i, [&] { return loss().item<double>(); });
          EXPECT_NEAR(value.grad().flatten()[i].item<double>(), numeric, 1e-8);
        }
      }
    }
  }
}

TEST(TanhRecurrenceTest, LeavesItsInputAlone) {
  const at::Tensor drive = normal_tensor({1, 3, 2}, 1);  // its transpose is contiguous already
  const at::Tensor before = drive.clone();
  tanh_recurrence(drive, normal_tensor({2, 2}, 2), 1, {});
  EXPECT_TRUE(same_values(drive, before));
}

TEST(TanhRecurrenceTest, WithoutClipsTheGradientIsZero) {
  const at::Tensor drive = variable({0, 3, 2}, 1), weight = variable({2, 2}, 2);
  const at::Tensor outputs = tanh_recurrence(drive, weight, 1, at::empty({0, 2, 2}, at::kDouble));
  EXPECT_EQ(outputs.sizes(), (std::vector<int64_t>{0, 3, 2}));
  outputs.sum().backward();
  EXPECT_TRUE(same_values(weight.grad(), at::zeros_like(weight)));
}

TEST(TanhRecurrenceTest, RefusesMasksOfAnotherLength) {
  const at::Tensor drive = normal_tensor({1, 3, 2}, 1), weight = normal_tensor({2, 2}, 2);
  EXPECT_THROW(tanh_recurrence(drive, weight, 1, normal_tensor({1, 3, 2}, 3)),
               common::RequirementError);
}

TEST(TanhRecurrenceTest, MasksDropSharesThatDifferByStepAndClip) {
  const at::Tensor drive = normal_tensor({2, 4, 500}, 1);
  const at::Tensor masks = recurrent_masks(drive, 0.6, training_context({1, 2}));
  ASSERT_EQ(masks.sizes(), (std::vector<int64_t>{2, 3, 500}));
  EXPECT_EQ(masks.scalar_type(), at::kDouble);
  EXPECT_NEAR(masks.eq(0).to(at::kDouble).mean().item<double>(), 0.6, 0.05);
  EXPECT_NEAR(masks.max().item<double>(), 2.5, 1e-6);
  EXPECT_FALSE(same_values(masks.select(1, 0), masks.select(1, 1)));
  EXPECT_FALSE(same_values(masks[0], masks[1]));
}

TEST(TanhRecurrenceTest, ThereAreNoMasksOutsideTraining) {
  const at::Tensor drive = normal_tensor({2, 4, 5}, 1);
  EXPECT_FALSE(recurrent_masks(drive, 0.6, evaluation_context()).defined());
  EXPECT_FALSE(recurrent_masks(drive, 0, training_context({1, 2})).defined());
  EXPECT_FALSE(recurrent_masks(drive.narrow(1, 0, 1), 0.6, training_context({1, 2})).defined());
}

}  // namespace
}  // namespace muster::models
