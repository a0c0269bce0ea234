// Values are checked against torchvision's network (tests/torchvision/test_stal_backbones.py).
#include "models/backbones/resnet50.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

at::Tensor whole_resnet(ResNet50& network, const at::Tensor& images,
                        const ForwardContext& context = evaluation_context()) {
  return network.blocks(network.stem(images, context), 0, ResNet50::kBlocks, context);
}

int64_t parameters_of_resnet(const ResNet50& network) {
  int64_t count = 0;
  for (const auto& item : network.named_parameters()) count += item.value().numel();
  return count;
}

TEST(ResNet50Test, HasTorchvisionsParameters) {
  // 25,557,032 less the classifier of 1000.
  EXPECT_EQ(parameters_of_resnet(ResNet50(1)), 25557032 - 2049000);
}

TEST(ResNet50Test, LayersHaveThePublishedShapes) {
  ResNet50 network(1);
  const at::NoGradGuard no_gradients;
  const ForwardContext context = evaluation_context();
  at::Tensor maps = network.stem(at::zeros({1, 3, 224, 224}), context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 64, 56, 56}));
  maps = network.blocks(maps, 0, 3, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 256, 56, 56}));
  maps = network.blocks(maps, 3, 7, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 512, 28, 28}));
  maps = network.blocks(maps, 7, 13, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 1024, 14, 14}));
  maps = network.blocks(maps, 13, 16, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 2048, 7, 7}));
}

TEST(ResNet50Test, PiecesWithTheWeightsOfTheWholeDoWhatItDoes) {
  ResNet50 whole(0.125), low(0.125, 0, 10), middle(0.125, 10, 13), layer4(0.125, 13, 16);
  whole.to(at::kDouble);
  randomise_weights(tensors_of(whole));
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, value] : tensors_of(whole)) weights[name] = value;
  size_t count = 0;
  for (ResNet50* piece : {&low, &middle, &layer4}) {
    piece->to(at::kDouble);
    for (const auto& [name, value] : tensors_of(*piece)) {
      ASSERT_EQ(weights.count(name), 1U) << name;
      value.detach().copy_(weights.at(name));
      ++count;
    }
  }
  EXPECT_EQ(count, weights.size());
  const ForwardContext context = evaluation_context();
  const at::Tensor images = normal_tensor({2, 3, 64, 32}, 1);
  at::Tensor maps = low.blocks(low.stem(images, context), 0, 10, context);
  maps = middle.blocks(maps, 10, 13, context);
  EXPECT_TRUE(same_values(layer4.blocks(maps, 13, 16, context), whole_resnet(whole, images)));
  EXPECT_THROW(low.blocks(maps, 9, 11, context), common::RequirementError);
  EXPECT_THROW(layer4.stem(images, context), common::RequirementError);
}

TEST(ResNet50Test, NoImagesAreAnEmptyAnswerWithZeroGradients) {
  ResNet50 network(0.125);
  network.to(at::kDouble);
  const at::Tensor maps = whole_resnet(network, at::zeros({0, 3, 32, 32}, at::kDouble));
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{0, 256, 1, 1}));
  maps.sum().backward();
  for (const auto& item : network.named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_EQ(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

TEST(ResNet50Test, GradientsEqualFiniteDifferences) {
  ResNet50 network(1.0 / 32);
  network.to(at::kDouble);
  randomise_weights(tensors_of(network));
  const at::Tensor images = normal_tensor({3, 3, 64, 32}, 3);
  NamedTensors parameters;
  for (const auto& item : network.named_parameters()) {
    if (item.key().find("conv1") == 0 || item.key().find("layer3.0") == 0) {
      parameters.emplace_back(item.key(), item.value());
    }
  }
  expect_derivatives(parameters, [&] {
    const at::Tensor maps = whole_resnet(network, images, training_context({1, 2, 3}));
    return (maps * normal_tensor(maps.sizes(), 4)).mean();
  });
}

}  // namespace
}  // namespace muster::models
