#include "models/network_profile.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>

#include "tests/models/support.h"

namespace muster::models {
namespace {

template <typename Module>
NamedTensors named(const Module& module, const std::string& prefix) {
  NamedTensors result;
  for (const auto& item : module->named_parameters()) {
    result.emplace_back(prefix + "." + item.key(), item.value());
  }
  return result;
}

using Shape = std::vector<int64_t>;

// 7 x 6 places of 8 maps, each from a 3x3 window of 2 of the 4 maps.
TEST(NetworkProfileTest, CountsAConvolutionWithGroups) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(4, 8, 3).padding(1).groups(2));
  const auto layers = profile_layers(named(layer, "a.conv"), [&] {
    layer(at::zeros({5, 4, 7, 6}));
  });
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].name, "a.conv");
  EXPECT_EQ(layers[0].output, (Shape{5, 8, 7, 6}));
  EXPECT_EQ(layers[0].parameters, 8 * 2 * 9 + 8);
  EXPECT_EQ(layers[0].multiply_adds, 5 * 7 * 6 * 8 * 2 * 9);
}

// Each of the 3 x 3 places of 2 maps is spread over a 2x2 window of 5 maps.
TEST(NetworkProfileTest, CountsATransposedConvolution) {
  torch::nn::ConvTranspose2d layer(torch::nn::ConvTranspose2dOptions(2, 5, 2).stride(2));
  const auto layers = profile_layers(named(layer, "up"), [&] { layer(at::zeros({1, 2, 3, 3})); });
  EXPECT_EQ(layers[0].output, (Shape{1, 5, 6, 6}));
  EXPECT_EQ(layers[0].multiply_adds, 9 * 2 * 5 * 4);
}

TEST(NetworkProfileTest, CountsALinearLayerOverSeveralAxesAndCalls) {
  for (const bool bias : {false, true}) {
    torch::nn::Linear layer(torch::nn::LinearOptions(10, 3).bias(bias));
    const auto layers = profile_layers(named(layer, "fc"), [&] {
      layer(at::zeros({4, 10}));
      layer(at::zeros({2, 4, 10}));
    });
    EXPECT_EQ(layers[0].output, (Shape{2, 4, 3}));
    EXPECT_EQ(layers[0].multiply_adds, 4 * 30 + 8 * 30);
  }
}

TEST(NetworkProfileTest, CountsProductsInPlaceAndOfCopiedWeights) {
  torch::nn::Linear first(4, 4), second(4, 4);
  NamedTensors weights = named(first, "first");
  for (const auto& item : named(second, "second")) weights.push_back(item);
  const auto layers = profile_layers(weights, [&] {
    at::Tensor sum = at::zeros({3, 4});
    sum.addmm_(at::ones({3, 4}), second->weight.t());
    at::Tensor both = at::zeros({2, 3, 4});
    both.baddbmm_(at::ones({2, 3, 4}), at::stack({first->weight, second->weight}).transpose(1, 2));
  });
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].multiply_adds, 2 * 3 * 4 * 4);  // both at once count for the first
  EXPECT_EQ(layers[0].output, (Shape{2, 3, 4}));
  EXPECT_EQ(layers[1].multiply_adds, 3 * 4 * 4);
}

// Four gates from 3 inputs and 5 units, at 7 steps of 2 clips.
TEST(NetworkProfileTest, CountsAnLstm) {
  torch::nn::LSTM layer(torch::nn::LSTMOptions(3, 5).batch_first(true));
  const auto layers = profile_layers(named(layer, "lstm"), [&] { layer(at::zeros({2, 7, 3})); });
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].output, (Shape{2, 7, 5}));
  EXPECT_EQ(layers[0].multiply_adds, 2 * 7 * 4 * 5 * (3 + 5));
}

TEST(NetworkProfileTest, ProductsWithoutWeightsComeLast) {
  torch::nn::Linear layer(2, 2);
  const auto layers = profile_layers(named(layer, "fc"), [&] {
    at::bmm(at::zeros({3, 4, 5}), at::zeros({3, 5, 6}));
  });
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_TRUE(layers[0].output.empty());
  EXPECT_EQ(layers[1].name, "");
  EXPECT_EQ(layers[1].multiply_adds, 3 * 4 * 5 * 6);
}

TEST(NetworkProfileTest, HearsNothingAfterwards) {
  torch::nn::Linear layer(2, 2);
  const NamedTensors parameters = named(layer, "fc");
  EXPECT_THROW(profile_layers(parameters, [] { throw std::runtime_error("x"); }),
               std::runtime_error);
  layer(at::zeros({1, 2}));
  EXPECT_TRUE(profile_layers(parameters, [] {})[0].output.empty());
}

}  // namespace
}  // namespace muster::models
