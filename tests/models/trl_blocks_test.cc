#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/trl/spatial_transformer.h"
#include "models/trl/temporal_residual.h"
#include "tests/models/naive_trl.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

double difference(const at::Tensor& measured, const naive::Values& expected) {
  EXPECT_EQ(measured.numel(), static_cast<int64_t>(expected.size()));
  return largest_difference(measured.flatten(), at::tensor(expected, at::kDouble));
}

NamedTensors parameters_of(const torch::nn::Module& network) {
  NamedTensors parameters;
  for (const auto& item : network.named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

// ---- scaled_and_shifted

TEST(ScaledAndShiftedTest, EqualsTheSumOfEquationSixOverAllPixels) {
  const at::Tensor maps = normal_tensor({5, 3, 6, 9}, 1);
  const at::Tensor transforms = at::tensor({0.7,  0.2,  0.5,  -0.1,   // inside
                                            1.4,  -0.3, 1.2,  0.25,   // partly outside
                                            -0.8, 0.1,  -1.1, 0.05,   // mirrored
                                            0.3,  1.1,  0.6,  0.0,    // half a map to the right
                                            0.1,  3.0,  0.1,  -3.0},  // all outside
                                           at::kDouble)
                                    .view({5, 4});
  const at::Tensor sampled = scaled_and_shifted(maps, transforms);
  ASSERT_EQ(sampled.sizes(), maps.sizes());
  for (int64_t i = 0; i < 5; ++i) {
    const naive::Maps expected =
        naive::scaled_and_shifted(naive::maps_of(maps[i]), naive::values_of(transforms[i]));
    EXPECT_LT(difference(sampled[i], expected.values), 1e-10) << i;
  }
  EXPECT_EQ(sampled[4].abs().max().item<double>(), 0);
}

TEST(ScaledAndShiftedTest, TheIdentityLeavesMapsAsTheyAre) {
  const at::Tensor maps = normal_tensor({2, 3, 8, 5}, 2);
  const at::Tensor identity = at::tensor({1.0, 0.0, 1.0, 0.0}, at::kDouble).expand({2, 4});
  EXPECT_LT(largest_difference(scaled_and_shifted(maps, identity), maps), 1e-12);
}

TEST(ScaledAndShiftedTest, AShiftByOnePixelMovesColumnsAndLeavesZeros) {
  const at::Tensor maps = normal_tensor({1, 2, 4, 6}, 3);
  const at::Tensor shift = at::tensor({1.0, 2.0 / 5, 1.0, 0.0}, at::kDouble).view({1, 4});
  const at::Tensor moved = scaled_and_shifted(maps, shift);
  EXPECT_LT(largest_difference(moved.narrow(3, 0, 5), maps.narrow(3, 1, 5)), 1e-12);
  EXPECT_LT(moved.select(3, 5).abs().max().item<double>(), 1e-12);
}

TEST(ScaledAndShiftedTest, GradientsEqualFiniteDifferences) {
  const at::Tensor maps = normal_tensor({2, 2, 4, 5}, 4).requires_grad_();
  const at::Tensor transforms =
      at::tensor({0.71, 0.13, 0.57, -0.11, 1.23, -0.3, 1.1, 0.27}, at::kDouble)
          .view({2, 4})
          .contiguous()
          .requires_grad_();
  const at::Tensor factors = normal_tensor({2, 2, 4, 5}, 5);
  expect_derivatives({{"maps", maps}, {"transforms", transforms}},
                     [&] { return (scaled_and_shifted(maps, transforms) * factors).sum(); });
}

TEST(ScaledAndShiftedTest, NoImagesGiveNoImages) {
  const at::Tensor maps = at::zeros({0, 3, 4, 5}, at::kDouble).requires_grad_();
  const at::Tensor sampled = scaled_and_shifted(maps, at::zeros({0, 4}, at::kDouble));
  EXPECT_EQ(sampled.sizes(), maps.sizes());
  sampled.sum().backward();
}

// ---- SpatialTransformer

SpatialTransformerOptions small_transformer(bool temporal) { return {6, 7, temporal, 3, 0.5}; }

std::shared_ptr<SpatialTransformer> random_transformer(bool temporal) {
  auto network = std::make_shared<SpatialTransformer>(small_transformer(temporal));
  network->to(at::kDouble);
  randomise_weights(tensors_of(*network));
  return network;
}

TEST(SpatialTransformerTest, LocalisationEqualsPlainLoops) {
  for (const bool temporal : {false, true}) {
    const auto network = random_transformer(temporal);
    const naive::Weights weights = naive::weights_of(tensors_of(*network));
    const int64_t clips = 2, frames = 4;
    const at::Tensor maps = normal_tensor({clips * frames, 6, 6, 4}, 6);
    const at::Tensor found = network->localise(maps, clips, evaluation_context());
    ASSERT_EQ(found.sizes(), (std::vector<int64_t>{clips * frames, 4}));
    for (int64_t clip = 0; clip < clips; ++clip) {
      std::vector<naive::Maps> images;
      for (int64_t t = 0; t < frames; ++t) {
        images.push_back(naive::maps_of(maps[clip * frames + t]));
      }
      const auto expected = naive::transforms(images, weights, "", temporal);
      for (int64_t t = 0; t < frames; ++t) {
        EXPECT_LT(difference(found[clip * frames + t], expected[static_cast<size_t>(t)]), 1e-10);
      }
    }
  }
}

TEST(SpatialTransformerTest, OnlyTheTemporalOneLooksAtOtherFrames) {
  for (const bool temporal : {false, true}) {
    const auto network = random_transformer(temporal);
    const at::Tensor maps = normal_tensor({3, 6, 4, 4}, 7);
    at::Tensor changed = maps.clone();
    changed[2] += 1;
    const at::Tensor before = network->localise(maps, 1, evaluation_context());
    const at::Tensor after = network->localise(changed, 1, evaluation_context());
    EXPECT_EQ(same_values(before[0], after[0]), !temporal);
  }
}

TEST(SpatialTransformerTest, DropoutIsOfTheRecurrentOutputAndFollowsTheClipsKey) {
  const auto network = random_transformer(true);
  const at::Tensor maps = normal_tensor({4, 6, 4, 4}, 8);
  const auto found = [&](std::vector<uint64_t> keys) {
    return network->localise(maps, 2, training_context(std::move(keys)));
  };
  const at::Tensor one = found({1, 2}), again = found({1, 2}), other = found({1, 3});
  EXPECT_TRUE(same_values(one, again));
  EXPECT_TRUE(same_values(one.narrow(0, 0, 2), other.narrow(0, 0, 2)));
  EXPECT_FALSE(same_values(one.narrow(0, 2, 2), other.narrow(0, 2, 2)));
  const auto still = random_transformer(false);
  EXPECT_TRUE(same_values(still->localise(maps, 2, training_context({1, 2})),
                          still->localise(maps, 2, training_context({3, 4}))));
}

TEST(SpatialTransformerTest, ResetTransformsNothing) {
  const auto network = random_transformer(true);
  network->reset_to_identity();
  const at::Tensor found =
      network->localise(normal_tensor({2, 6, 4, 4}, 9), 1, evaluation_context());
  EXPECT_TRUE(same_values(found, at::tensor({1.0, 0.0, 1.0, 0.0}, at::kDouble).expand({2, 4})));
}

TEST(SpatialTransformerTest, GradientsEqualFiniteDifferences) {
  for (const bool temporal : {false, true}) {
    const auto network = random_transformer(temporal);
    const at::Tensor maps = normal_tensor({6, 6, 4, 4}, 10).requires_grad_();
    NamedTensors variables = parameters_of(*network);
    variables.emplace_back("maps", maps);
    const at::Tensor factors = normal_tensor({6, 4}, 11);
    expect_derivatives(variables, [&] {
      return (network->localise(maps, 2, training_context({5, 6})) * factors).sum();
    });
  }
}

TEST(SpatialTransformerTest, HasTheSpecifiedParameterCount) {
  // 2.27 million: two convolutions with batch norm, the BiLSTM's four gates, the layer of four.
  const int64_t convolutions = 832 * 512 + 512 * 512 + 4 * 512;
  const int64_t recurrent = 2 * 4 * 256 * (512 + 256 + 2);
  EXPECT_EQ(element_count(parameters_of(SpatialTransformer({}))),
            convolutions + recurrent + 512 * 4 + 4);
}

TEST(SpatialTransformerTest, NoClipsGiveNoTransforms) {
  for (const bool temporal : {false, true}) {
    const auto network = random_transformer(temporal);
    const at::Tensor found =
        network->localise(at::zeros({0, 6, 4, 4}, at::kDouble), 0, evaluation_context());
    EXPECT_EQ(found.sizes(), (std::vector<int64_t>{0, 4}));
    found.sum().backward();
  }
}

// ---- TemporalResidual

std::shared_ptr<TemporalResidual> random_temporal(proto::Trl::Temporal temporal) {
  auto network = std::make_shared<TemporalResidual>(5, 3, temporal);
  network->to(at::kDouble);
  randomise_weights(tensors_of(*network));
  return network;
}

TEST(TemporalResidualTest, EqualsEquationsSevenToThirteenInPlainLoops) {
  for (const auto temporal : {proto::Trl::ONE_DIRECTION, proto::Trl::GENERIC, proto::Trl::SPECIFIC,
                              proto::Trl::GENERIC_AND_SPECIFIC}) {
    const auto network = random_temporal(temporal);
    const naive::Weights weights = naive::weights_of(tensors_of(*network));
    const at::Tensor descriptors = 2 * normal_tensor({2, 4, 5}, 12);
    const TemporalResidual::Features features = network->forward(descriptors);
    EXPECT_EQ(features.generic.defined(), temporal != proto::Trl::SPECIFIC);
    EXPECT_EQ(features.specific.defined(),
              temporal == proto::Trl::SPECIFIC || temporal == proto::Trl::GENERIC_AND_SPECIFIC);
    for (int64_t clip = 0; clip < 2; ++clip) {
      std::vector<naive::Values> frames;
      for (int64_t t = 0; t < 4; ++t) frames.push_back(naive::values_of(descriptors[clip][t]));
      const naive::TemporalFeatures expected =
          naive::temporal_residual(frames, weights, "", temporal == proto::Trl::ONE_DIRECTION);
      if (features.generic.defined()) {
        EXPECT_LT(difference(features.generic[clip], expected.generic), 1e-10);
      }
      if (features.specific.defined()) {
        EXPECT_LT(difference(features.specific[clip], expected.specific), 1e-10);
      }
    }
  }
}

TEST(TemporalResidualTest, OfOneFrameTheSpecificFeatureIsThatOfNoResidual) {
  const auto network = random_temporal(proto::Trl::GENERIC_AND_SPECIFIC);
  const at::Tensor one = network->forward(normal_tensor({1, 1, 5}, 13)).specific;
  const at::Tensor other = network->forward(normal_tensor({1, 1, 5}, 14)).specific;
  EXPECT_TRUE(same_values(one, other));
  EXPECT_GT(one.abs().max().item<double>(), 0);
}

TEST(TemporalResidualTest, GradientsEqualFiniteDifferences) {
  for (const int64_t clips : {1, 2}) {
    const auto network = random_temporal(proto::Trl::GENERIC_AND_SPECIFIC);
    const at::Tensor descriptors = normal_tensor({clips, 3, 5}, 15).requires_grad_();
    NamedTensors variables = parameters_of(*network);
    variables.emplace_back("descriptors", descriptors);
    const at::Tensor factors = normal_tensor({2, clips, 6}, 16);
    expect_derivatives(variables, [&] {
      const TemporalResidual::Features features = network->forward(descriptors);
      return (features.generic * factors[0] + features.specific * factors[1]).sum();
    });
  }
}

TEST(TemporalResidualTest, HasTheSpecifiedParameterCount) {
  const auto count = [](int64_t hidden) {
    return element_count(
        parameters_of(TemporalResidual(1024, hidden, proto::Trl::GENERIC_AND_SPECIFIC)));
  };
  EXPECT_EQ(count(512), 12599296);  // 12.60 million
  EXPECT_EQ(count(256), 4202496);
}

TEST(TemporalResidualTest, NoClipsGiveNoFeatures) {
  const auto network = random_temporal(proto::Trl::GENERIC_AND_SPECIFIC);
  const TemporalResidual::Features features =
      network->forward(at::zeros({0, 3, 5}, at::kDouble).requires_grad_());
  EXPECT_EQ(features.generic.sizes(), (std::vector<int64_t>{0, 6}));
  EXPECT_EQ(features.specific.sizes(), (std::vector<int64_t>{0, 6}));
  (features.generic + features.specific).sum().backward();
  for (const auto& [name, value] : parameters_of(*network)) {
    ASSERT_TRUE(value.grad().defined()) << name;
    EXPECT_EQ(value.grad().abs().max().item<double>(), 0) << name;
  }
}

}  // namespace
}  // namespace muster::models
