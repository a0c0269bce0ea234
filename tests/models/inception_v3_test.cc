// Agreement with torchvision itself is tests/system/test_inception_v3.py's matter.
#include "models/backbones/inception_v3.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "models/network_model.h"
#include "tests/models/naive_rru_stim.h"
#include "tests/models/support.h"

namespace muster::models::inception_v3_test {
namespace {

using naive_rru::NaiveWeights;

NamedTensors parameters_of(const torch::nn::Module& module) {
  NamedTensors named;
  for (const auto& item : module.named_parameters()) named.emplace_back(item.key(), item.value());
  return named;
}

NamedTensors buffers_of(const torch::nn::Module& module) {
  NamedTensors named;
  for (const auto& item : module.named_buffers()) named.emplace_back(item.key(), item.value());
  return named;
}

int64_t count_of(const NamedTensors& tensors, const std::string& prefix = "") {
  int64_t count = 0;
  for (const auto& [name, value] : tensors) {
    if (name.compare(0, prefix.size(), prefix) == 0) count += value.numel();
  }
  return count;
}

// Float64, weights of a size that keeps values of every layer near one.
std::shared_ptr<InceptionV3> small_backbone(double width, int64_t classes) {
  auto backbone = std::make_shared<InceptionV3>(width, classes);
  backbone->to(at::kDouble);
  uint64_t key = 1;
  for (const auto& [name, value] : parameters_of(*backbone)) {
    const at::Tensor values = normal_tensor(value.sizes(), ++key);
    const double fan = static_cast<double>(value.numel()) / static_cast<double>(value.size(0));
    if (value.dim() > 1) {
      value.detach().copy_(values * std::sqrt(2 / fan));
    } else if (name.find("weight") != std::string::npos) {
      value.detach().copy_(1 + 0.1 * values);
    } else {
      value.detach().copy_(0.3 * values);
    }
  }
  return backbone;
}

TEST(InceptionV3Test, TheTrunkHasThePublishedParameterCount) {
  EXPECT_EQ(count_of(parameters_of(InceptionV3(1, 0))), 21785568);
}

TEST(InceptionV3Test, TheAuxiliaryClassifierHasThePublishedParameterCount) {
  const NamedTensors parameters = parameters_of(InceptionV3(1, 10));
  const int64_t classifier = count_of(parameters, "AuxLogits.fc.");
  EXPECT_EQ(classifier, 768 * 10 + 10);
  EXPECT_EQ(count_of(parameters, "AuxLogits.") - classifier, 2557696);
}

TEST(InceptionV3Test, GivesMapsOfThePublishedSizes) {
  InceptionV3 backbone(0.125, 0);
  const at::NoGradGuard no_gradients;
  const InceptionV3Maps maps =
      backbone.forward(normal_tensor({1, 3, 299, 299}, 1, at::kFloat), evaluation_context());
  EXPECT_EQ(maps.middle.sizes(), (std::vector<int64_t>{1, 96, 17, 17}));
  EXPECT_EQ(maps.last.sizes(), (std::vector<int64_t>{1, 256, 8, 8}));
  EXPECT_EQ(backbone.channels(), 256);
  EXPECT_EQ(InceptionV3(1, 0).channels(), 2048);
}

TEST(InceptionV3Test, SaysTheSizeOfItsMapsBeforehand) {
  InceptionV3 backbone(0.03, 0);
  const at::NoGradGuard no_gradients;
  for (const int64_t size : {75, 90, 91, 106, 107, 128, 160, 224, 331}) {
    const InceptionV3Maps maps =
        backbone.forward(normal_tensor({1, 3, size, size}, 1, at::kFloat), evaluation_context());
    EXPECT_EQ(maps.last.size(2), InceptionV3::map_size(size)) << size;
  }
  EXPECT_EQ(InceptionV3::map_size(InceptionV3::kSmallestInput), 1);
  EXPECT_EQ(InceptionV3::map_size(InceptionV3::kSmallestInput - 1), 0);
}

TEST(InceptionV3Test, RefusesImagesTooSmallForItsPools) {
  EXPECT_THROW(InceptionV3(0.03, 0).forward(at::zeros({1, 3, 74, 75}), evaluation_context()),
               common::RequirementError);
  EXPECT_THROW(InceptionV3(0.03, 0).forward(at::zeros({1, 3, 75, 74}), evaluation_context()),
               common::RequirementError);
}

TEST(InceptionV3Test, EveryWidthGivesAsManyChannelsAsItSays) {
  const at::NoGradGuard no_gradients;
  for (const double width : {0.001, 0.03, 0.07, 0.1}) {
    InceptionV3 backbone(width, 3);
    const InceptionV3Maps maps =
        backbone.forward(normal_tensor({1, 3, 75, 75}, 1, at::kFloat), evaluation_context());
    EXPECT_EQ(maps.last.size(1), backbone.channels()) << width;
    EXPECT_EQ(backbone.auxiliary_logits(maps.middle, evaluation_context()).size(1), 3) << width;
  }
}

TEST(InceptionV3Test, WithoutImagesGivesEmptyMaps) {
  InceptionV3 backbone(0.03, 3);
  const InceptionV3Maps maps = backbone.forward(at::zeros({0, 3, 75, 75}), evaluation_context());
  EXPECT_EQ(maps.last.sizes(), (std::vector<int64_t>{0, backbone.channels(), 1, 1}));
  EXPECT_EQ(backbone.auxiliary_logits(maps.middle, evaluation_context()).sizes(),
            (std::vector<int64_t>{0, 3}));
}

TEST(InceptionV3Test, SmallMapsAreAveragedAdaptivelyForTheAuxiliaryClassifier) {
  const auto backbone = small_backbone(0.03, 4);
  for (const int64_t side : {3, 5, 7, 12, 16}) {
    const at::Tensor middle = normal_tensor({2, 24, side, side}, 5 + static_cast<uint64_t>(side));
    const NaiveWeights weights = naive_rru::naive_part(
        naive_rru::naive_weights(parameters_of(*backbone), buffers_of(*backbone)), "AuxLogits.");
    EXPECT_LT(largest_difference(backbone->auxiliary_logits(middle, evaluation_context()),
                                 naive_rru::naive_auxiliary(weights, middle)),
              1e-10)
        << side;
  }
}

TEST(InceptionV3Test, GradientEqualsFiniteDifferences) {
  const auto backbone = small_backbone(0.02, 3);
  const at::Tensor images = normal_tensor({2, 3, 91, 91}, 3);
  const auto loss = [&] {
    const InceptionV3Maps maps = backbone->forward(images, training_context({1, 2}));
    const at::Tensor logits = backbone->auxiliary_logits(maps.middle, training_context({1, 2}));
    return (maps.last * normal_tensor(maps.last.sizes(), 8)).sum() +
           (logits * normal_tensor(logits.sizes(), 9)).sum();
  };
  loss().backward();
  int64_t tested = 0;
  for (const auto& [name, value] : parameters_of(*backbone)) {
    ASSERT_TRUE(value.grad().defined()) << name;
    // A third of the layers, taken evenly.
    if (tested++ % 3 != 0) continue;
    const int64_t index = value.numel() / 2;
    const double analytic = value.grad().flatten()[index].item<double>();
    const double numeric = numeric_derivative(
        value.detach(), index, [&] { return loss().item<double>(); }, 1e-7);
    EXPECT_NEAR(analytic, numeric, 1e-4 * std::max(1.0, std::abs(numeric))) << name;
  }
}

}  // namespace
}  // namespace muster::models::inception_v3_test
