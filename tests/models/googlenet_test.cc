#include "models/backbones/googlenet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/layers/local_response_norm.h"
#include "tests/models/naive_trl.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

std::shared_ptr<GoogLeNet> small_googlenet(bool v1, double width = 0.125) {
  auto network = std::make_shared<GoogLeNet>(GoogLeNetOptions{v1, width, true});
  network->to(at::kDouble);
  randomise_weights(tensors_of(*network));
  return network;
}

at::Tensor whole_pass(GoogLeNet& network, const at::Tensor& images,
                      const ForwardContext& context = evaluation_context()) {
  const at::Tensor maps = network.inception1(network.convs(images, context), context);
  return network.inception3(network.inception2(maps, context), context);
}

double relative_difference(const at::Tensor& measured, const naive::Maps& expected) {
  const at::Tensor other = naive::tensor_of(expected);
  EXPECT_EQ(measured.sizes(), other.sizes());
  return largest_difference(measured, other) / other.abs().max().item<double>();
}

int64_t parameters_of(bool v1, const std::vector<std::string>& prefixes) {
  const GoogLeNet network({v1, 1, true});
  NamedTensors parameters;
  for (const auto& item : network.named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  int64_t count = 0;
  for (const std::string& prefix : prefixes) count += element_count(parameters, prefix);
  return count;
}

TEST(GoogLeNetTest, TorchvisionsVariantHasTheSpecifiedParameterCounts) {
  EXPECT_EQ(parameters_of(false, {"conv"}), 124736);
  EXPECT_EQ(parameters_of(false, {"inception3"}), 496096);
  EXPECT_EQ(parameters_of(false, {"inception4"}), 2653088);
  EXPECT_EQ(parameters_of(false, {"inception5"}), 2325984);
}

TEST(GoogLeNetTest, VariantOneHasTheSpecifiedParameterCounts) {
  EXPECT_EQ(parameters_of(true, {"conv"}), 124416);
  EXPECT_EQ(parameters_of(true, {"inception3"}), 552432);
  EXPECT_EQ(parameters_of(true, {"inception4"}), 2809168);
  EXPECT_EQ(parameters_of(true, {"inception5"}), 2487536);
}

TEST(GoogLeNetTest, PartsHaveThePublishedShapes) {
  GoogLeNet network({false, 1, true});
  const at::NoGradGuard no_gradients;
  const ForwardContext context = evaluation_context();
  at::Tensor maps = network.convs(at::zeros({1, 3, 224, 224}), context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 192, 56, 56}));
  maps = network.inception1(maps, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 480, 28, 28}));
  maps = network.inception2(maps, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 832, 14, 14}));
  EXPECT_EQ(maps.size(1), network.middle_channels());
  maps = network.inception3(maps, context);
  EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{1, 1024, 7, 7}));
  EXPECT_EQ(maps.size(1), network.channels());
}

TEST(GoogLeNetTest, EveryPartOfBothVariantsEqualsPlainLoops) {
  for (const bool v1 : {false, true}) {
    const auto network = small_googlenet(v1);
    const naive::Weights weights = naive::weights_of(tensors_of(*network));
    const naive::GoogLeNet loops{weights, "", v1};
    const ForwardContext context = evaluation_context();
    const at::Tensor image = normal_tensor({1, 3, 96, 64}, 1);
    const at::Tensor low = network->convs(image, context);
    const naive::Maps low_loops = loops.convs(naive::maps_of(image[0]));
    EXPECT_LT(relative_difference(low[0], low_loops), 1e-10) << v1;
    const at::Tensor first = network->inception1(low, context);
    const naive::Maps first_loops = loops.inception1(low_loops);
    EXPECT_LT(relative_difference(first[0], first_loops), 1e-10) << v1;
    const at::Tensor second = network->inception2(first, context);
    const naive::Maps second_loops = loops.inception2(first_loops);
    EXPECT_LT(relative_difference(second[0], second_loops), 1e-10) << v1;
    const at::Tensor third = network->inception3(second, context);
    EXPECT_LT(relative_difference(third[0], loops.inception3(second_loops)), 1e-10) << v1;
  }
}

TEST(GoogLeNetTest, ImagesDoNotMixOutsideTraining) {
  const auto network = small_googlenet(true);
  const at::Tensor images = normal_tensor({3, 3, 32, 32}, 2);
  const at::Tensor together = whole_pass(*network, images);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_LT(largest_difference(together[i], whole_pass(*network, images.narrow(0, i, 1))[0]),
              1e-10);
  }
}

TEST(GoogLeNetTest, GradientsEqualFiniteDifferences) {
  for (const bool v1 : {false, true}) {
    const auto network = small_googlenet(v1, 1.0 / 16);
    const at::Tensor images = normal_tensor({3, 3, 32, 32}, 3);
    NamedTensors parameters;
    for (const auto& item : network->named_parameters()) {
      if (item.key().find("conv") == 0 || item.key().find("5b") != std::string::npos) {
        parameters.emplace_back(item.key(), item.value());
      }
    }
    expect_derivatives(parameters, [&] {
      const at::Tensor maps = whole_pass(*network, images, training_context({1, 2, 3}));
      return (maps * normal_tensor(maps.sizes(), 4)).mean();
    });
  }
}

TEST(GoogLeNetTest, NoImagesAreAnEmptyAnswerWithZeroGradients) {
  for (const bool v1 : {false, true}) {
    const auto network = small_googlenet(v1);
    const at::Tensor maps = whole_pass(*network, at::zeros({0, 3, 32, 32}, at::kDouble));
    EXPECT_EQ(maps.sizes(), (std::vector<int64_t>{0, 128, 1, 1}));
    maps.sum().backward();
    for (const auto& item : network->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_EQ(item.value().grad().abs().max().item<double>(), 0) << item.key();
    }
  }
}

TEST(GoogLeNetTest, WithoutStemItHasNoConvolutionsBeforeTheBlocks) {
  GoogLeNet network({false, 0.125, false});
  for (const auto& item : network.named_parameters()) {
    EXPECT_EQ(item.key().find("inception"), 0U) << item.key();
  }
  EXPECT_THROW(network.convs(at::zeros({1, 3, 32, 32}), evaluation_context()),
               common::RequirementError);
}

TEST(LocalResponseNormTest, EqualsPlainLoopsWhereItMatters) {
  for (const int64_t channels : {1, 3, 9}) {
    const at::Tensor maps = 300 * normal_tensor({2, channels, 3, 4}, 5);
    const at::Tensor normal = local_response_norm(maps);
    for (int64_t i = 0; i < 2; ++i) {
      EXPECT_LT(relative_difference(normal[i], naive::response_normalised(naive::maps_of(maps[i]))),
                1e-12);
    }
  }
}

}  // namespace
}  // namespace muster::models
