#include "models/layers/bidirectional_lstm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

torch::nn::LSTM random_lstm(int64_t channels, int64_t units) {
  torch::nn::LSTM lstm(torch::nn::LSTMOptions(channels, units).bidirectional(true));
  lstm->to(at::kDouble);
  randomise_weights(tensors_of(*lstm));
  return lstm;
}

// Gradients of lines and weights, one after the other.
std::vector<at::Tensor> gradients_of(const at::Tensor& loss, torch::nn::LSTM& lstm,
                                     const at::Tensor& lines) {
  NamedTensors variables = {{"lines", lines}};
  for (const auto& item : lstm->named_parameters()) {
    variables.emplace_back(item.key(), item.value());
  }
  for (const auto& [name, value] : variables) value.mutable_grad() = at::Tensor();
  loss.backward();
  std::vector<at::Tensor> gradients;
  for (const auto& [name, value] : variables) gradients.push_back(value.grad().clone());
  return gradients;
}

TEST(BidirectionalLstmTest, SaysWhatTorchSaysAndHasItsGradients) {
  for (const int64_t steps : {1, 2, 5}) {
    for (const int64_t count : {0, 1, 3}) {
      torch::nn::LSTM lstm = random_lstm(4, 3);
      const at::Tensor lines = normal_tensor({steps, count, 4}, 1).requires_grad_();
      const at::Tensor factors = normal_tensor({steps, count, 6}, 2);
      const at::Tensor found = bidirectional_lstm(lstm, lines);
      ASSERT_EQ(found.sizes(), factors.sizes());
      const auto of_found = gradients_of((found * factors).sum(), lstm, lines);
      if (count == 0) {
        for (const at::Tensor& gradient : of_found)
          EXPECT_EQ(gradient.abs().sum().item<double>(), 0);
        continue;
      }
      const at::Tensor expected = std::get<0>(lstm(lines));
      EXPECT_LT(largest_difference(found, expected), 1e-12);
      const auto of_expected = gradients_of((expected * factors).sum(), lstm, lines);
      for (size_t i = 0; i < of_found.size(); ++i) {
        EXPECT_LT(largest_difference(of_found[i], of_expected[i]), 1e-12) << i;
      }
    }
  }
}

// Of float32, products go another way: of 6 x 48 rows, not of 1 x 7.
TEST(BidirectionalLstmTest, SaysInSinglePrecisionWhatItSaysInDouble) {
  for (const auto& [steps, count] : {std::pair<int64_t, int64_t>{6, 48}, {1, 7}}) {
    torch::nn::LSTM lstm = random_lstm(4, 3);
    const at::Tensor values = normal_tensor({steps, count, 4}, 5);
    const at::Tensor factors = normal_tensor({steps, count, 6}, 6);
    const auto run = [&](at::ScalarType type) {
      lstm->to(type);
      const at::Tensor lines = values.to(type).clone().requires_grad_();
      const at::Tensor found = bidirectional_lstm(lstm, lines);
      auto results = gradients_of((found * factors.to(type)).sum(), lstm, lines);
      results.push_back(found);
      return results;
    };
    const auto exact = run(at::kDouble), single = run(at::kFloat);
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LT(largest_difference(single[i].to(at::kDouble), exact[i]), 1e-4) << i;
    }
  }
}

TEST(BidirectionalLstmTest, NeedsNoGradients) {
  torch::nn::LSTM lstm = random_lstm(4, 3);
  const at::Tensor lines = normal_tensor({5, 3, 4}, 3);
  const at::Tensor with_gradients = bidirectional_lstm(lstm, lines);
  const at::NoGradGuard no_gradients;
  EXPECT_TRUE(same_values(bidirectional_lstm(lstm, lines), with_gradients));
}

// Any weight that learns needs what the backward pass reads.
TEST(BidirectionalLstmTest, OneWeightMayLearnAlone) {
  for (const auto& item : random_lstm(4, 3)->named_parameters()) {
    SCOPED_TRACE(item.key());
    torch::nn::LSTM lstm = random_lstm(4, 3);
    const at::Tensor lines = normal_tensor({5, 3, 4}, 3), factors = normal_tensor({5, 3, 6}, 2);
    for (const auto& other : lstm->named_parameters()) {
      other.value().set_requires_grad(other.key() == item.key());
    }
    const at::Tensor weight = *lstm->named_parameters().find(item.key());
    (bidirectional_lstm(lstm, lines) * factors).sum().backward();
    const at::Tensor found = weight.grad().clone();
    weight.mutable_grad() = at::Tensor();
    (std::get<0>(lstm(lines)) * factors).sum().backward();
    EXPECT_LT(largest_difference(found, weight.grad()), 1e-12);
  }
}

// Products of inputs far from zero saturate the gates.
TEST(BidirectionalLstmTest, LargeInputsStayWithinTheBounds) {
  torch::nn::LSTM lstm = random_lstm(4, 3);
  const at::Tensor lines = 1e4 * normal_tensor({5, 3, 4}, 4);
  EXPECT_LT(largest_difference(bidirectional_lstm(lstm, lines), std::get<0>(lstm(lines))), 1e-12);
}

}  // namespace
}  // namespace muster::models
