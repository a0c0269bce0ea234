#include "models/backbones/bn_inception.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/backbones/backbone_catalog.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

TEST(BnInceptionTest, BlocksHaveTheShapesOfTableOne) {
  BnInception network(1);
  const at::NoGradGuard no_gradients;
  const ForwardContext context = evaluation_context();
  at::Tensor maps = network.forward_low(at::zeros({1, 3, 224, 224}), context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 576, 14, 14}));
  EXPECT_EQ(network.low_channels(), 576);
  maps = network.inception4d->forward(network.inception4c->forward(maps, context), context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 576, 14, 14}));
  maps = network.inception4e->forward(maps, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 1024, 7, 7}));
  maps = network.inception5b->forward(network.inception5a->forward(maps, context), context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 1024, 7, 7}));
  EXPECT_EQ(network.channels(), 1024);
}

// Weights of all convolutions and two numbers a channel, by the table of channels.
TEST(BnInceptionTest, HasTheParametersOfTheTableOfChannels) {
  const auto unit = [](int64_t in, int64_t out, int64_t kernel) {
    return in * out * kernel * kernel + 2 * out;
  };
  const auto block = [&](int64_t in, int64_t one, int64_t reduce, int64_t three,
                         int64_t double_reduce, int64_t doubled, int64_t pool) {
    const int64_t convolved = unit(in, reduce, 1) + unit(reduce, three, 3) +
                              unit(in, double_reduce, 1) + unit(double_reduce, doubled, 3) +
                              unit(doubled, doubled, 3);
    return one == 0 ? convolved : convolved + unit(in, one, 1) + unit(in, pool, 1);
  };
  const auto parameters = [](const torch::nn::Module& network, const std::string& prefix) {
    NamedTensors named;
    for (const auto& item : network.named_parameters())
      named.emplace_back(item.key(), item.value());
    return element_count(named, prefix);
  };
  const BnInception network(1);
  EXPECT_EQ(parameters(network, "conv"), unit(3, 64, 7) + unit(64, 64, 1) + unit(64, 192, 3));
  EXPECT_EQ(parameters(network, "inception3a"), block(192, 64, 64, 64, 64, 96, 32));
  EXPECT_EQ(parameters(network, "inception3b"), block(256, 64, 64, 96, 64, 96, 64));
  EXPECT_EQ(parameters(network, "inception3c"), block(320, 0, 128, 160, 64, 96, 0));
  EXPECT_EQ(parameters(network, "inception4a"), block(576, 224, 64, 96, 96, 128, 128));
  EXPECT_EQ(parameters(network, "inception4b"), block(576, 192, 96, 128, 96, 128, 128));
  EXPECT_EQ(parameters(network, "inception4c"), block(576, 160, 128, 160, 128, 160, 96));
  EXPECT_EQ(parameters(network, "inception4d"), block(576, 96, 128, 192, 160, 192, 96));
  EXPECT_EQ(parameters(network, "inception4e"), block(576, 0, 128, 192, 192, 256, 0));
  EXPECT_EQ(parameters(network, "inception5a"), block(1024, 352, 192, 320, 160, 224, 128));
  EXPECT_EQ(parameters(network, "inception5b"), block(1024, 352, 192, 320, 192, 224, 128));
}

TEST(BnInceptionTest, BlocksSayTheirChannelsAtAnyWidth) {
  for (const double width : {1.0, 0.25, 0.07}) {
    for (const char* name : {"3a", "3c", "4b", "4e", "5b"}) {
      BnInceptionBlock block(name, width);
      EXPECT_EQ(block.channels(), BnInceptionBlock::channels_of(name, width)) << name << width;
    }
  }
  EXPECT_THROW(BnInceptionBlock("6a", 1), common::RequirementError);
}

TEST(BnInceptionTest, TheLowLevelPartByItselfIsThatOfTheWhole) {
  BnInception whole(0.125);
  BnInceptionLow low(0.125);
  whole.to(at::kDouble);
  low.to(at::kDouble);
  randomise_weights(tensors_of(whole));
  const NamedTensors weights = tensors_of(whole);
  for (const auto& [name, value] : tensors_of(low)) {
    for (const auto& [other, source] : weights) {
      if (other == name) value.detach().copy_(source);
    }
  }
  const at::Tensor images = normal_tensor({2, 3, 64, 32}, 1);
  EXPECT_TRUE(same_values(low.forward_low(images, evaluation_context()),
                          whole.forward_low(images, evaluation_context())));
}

TEST(BnInceptionTest, NoImagesAreAnEmptyAnswerWithZeroGradients) {
  BnInception network(0.125);
  network.to(at::kDouble);
  const at::Tensor maps =
      network.forward(at::zeros({0, 3, 32, 32}, at::kDouble), evaluation_context());
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{0, 128, 1, 1}));
  maps.sum().backward();
  for (const auto& item : network.named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_EQ(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

TEST(BnInceptionTest, GradientsEqualFiniteDifferences) {
  BnInception network(1.0 / 32);
  network.to(at::kDouble);
  randomise_weights(tensors_of(network));
  const at::Tensor images = normal_tensor({3, 3, 32, 32}, 3);
  NamedTensors parameters;
  for (const auto& item : network.named_parameters()) {
    if (item.key().find("conv") == 0 || item.key().find("4e") != std::string::npos) {
      parameters.emplace_back(item.key(), item.value());
    }
  }
  expect_derivatives(parameters, [&] {
    const at::Tensor maps = network.forward(images, training_context({1, 2, 3}));
    return (maps * normal_tensor(maps.sizes(), 4)).mean();
  });
}

}  // namespace
}  // namespace muster::models
