#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "models/backbones/backbone_catalog.h"
#include "models/backbones/caffenet.h"
#include "models/tam_srm/spatial_recurrence.h"
#include "models/tam_srm/temporal_attention.h"
#include "tests/models/naive_tam_srm.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

double farthest(const at::Tensor& measured, const naive::Values& expected) {
  EXPECT_EQ(measured.numel(), static_cast<int64_t>(expected.size()));
  return largest_difference(measured.flatten(), at::tensor(expected, at::kDouble));
}

NamedTensors weights_in(const torch::nn::Module& network) {
  NamedTensors parameters;
  for (const auto& item : network.named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

template <typename Network>
std::shared_ptr<Network> randomised(std::shared_ptr<Network> network) {
  network->to(at::kDouble);
  randomise_weights(tensors_of(*network));
  return network;
}

// ---- CaffeNet

// 12 channels and more, 67 pixels, 5 features: pool5 is 1x1; of 107 pixels it is 3x3.
std::shared_ptr<CaffeNet> small_caffenet(int64_t input_size) {
  CaffeNetOptions options;
  options.width = 0.125;
  options.input_size = input_size;
  options.features = 5;
  return randomised(std::make_shared<CaffeNet>(options));
}

TEST(CaffeNetTest, EqualsPlainLoops) {
  for (const int64_t size : {67, 107}) {
    const auto network = small_caffenet(size);
    const naive::Weights weights = naive::weights_of(tensors_of(*network));
    // Large, so that the normalisations do something.
    const at::Tensor images = 60 * normal_tensor({2, 3, size, size}, 1);
    const at::Tensor maps = network->pool5(images);
    const at::Tensor features = network->fc7(maps, 2, evaluation_context());
    EXPECT_EQ(maps.size(2), CaffeNet::map_size(size));
    EXPECT_EQ(features.sizes(), (std::vector<int64_t>{1, 2, 5}));
    for (int64_t i = 0; i < 2; ++i) {
      const naive::Maps expected = naive::caffenet_pool5(naive::maps_of(images[i]), weights, "");
      const double scale = maps[i].abs().max().item<double>();
      EXPECT_GT(scale, 1);
      EXPECT_LT(farthest(maps[i], expected.values), 1e-10 * scale) << size;
      EXPECT_LT(farthest(features[0][i], naive::caffenet_fc7(expected, weights, "")),
                1e-10 * scale);
    }
  }
}

TEST(CaffeNetTest, HasThePublishedSizes) {
  const CaffeNet network({});
  EXPECT_EQ(element_count(weights_in(network)), 12821888);
  EXPECT_EQ(CaffeNet::map_size(227), 6);
  EXPECT_EQ(CaffeNet::map_size(CaffeNet::kSmallestInput), 1);
  CaffeNetOptions options;
  options.features = 0;
  EXPECT_EQ(element_count(weights_in(CaffeNet(options))),
            12821888 - (9216 * 1024 + 1024) - (1024 * 1024 + 1024));
}

TEST(CaffeNetTest, DropoutFollowsTheClipsKeyBehindBothFullLayers) {
  const auto network = small_caffenet(67);
  const at::Tensor maps = network->pool5(normal_tensor({4, 3, 67, 67}, 2));
  const auto found = [&](std::vector<uint64_t> keys) {
    return network->fc7(maps, 2, training_context(std::move(keys)));
  };
  EXPECT_TRUE(same_values(found({1, 2}), found({1, 2})));
  const at::Tensor one = found({1, 2}), other = found({1, 3});
  EXPECT_TRUE(same_values(one[0], other[0]));
  EXPECT_FALSE(same_values(one[1], other[1]));
}

TEST(CaffeNetTest, GradientsEqualFiniteDifferences) {
  const auto network = small_caffenet(67);
  const at::Tensor images = normal_tensor({2, 3, 67, 67}, 3);
  const at::Tensor factors = normal_tensor({1, 2, 5}, 4);
  expect_derivatives(weights_in(*network), [&] {
    return (network->fc7(network->pool5(images), 2, training_context({7})) * factors).sum();
  });
}

TEST(CaffeNetTest, NoImagesGiveNoFeatures) {
  const auto network = small_caffenet(67);
  const at::Tensor features =
      network->fc7(network->pool5(at::zeros({0, 3, 67, 67}, at::kDouble)), 3, training_context({}));
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{0, 3, 5}));
  features.sum().backward();
}

TEST(CaffeNetTest, IsABackboneByItself) {
  for (const BackboneEntry& entry : backbone_catalog()) {
    if (entry.name != "caffenet") continue;
    proto::Backbone options;
    options.set_width(0.0625);
    const Backbone backbone = entry.create(options, 1);
    const BackboneOutputs outputs = backbone.forward(
        at::zeros({2, entry.channels, entry.height, entry.width}), evaluation_context());
    EXPECT_EQ(outputs.at("maps").sizes(), (std::vector<int64_t>{2, 16, 6, 6}));
    EXPECT_EQ(outputs.at("features").sizes(), (std::vector<int64_t>{2, 1024}));
    return;
  }
  FAIL() << "no caffenet in the catalogue";
}

// ---- TemporalAttention

std::shared_ptr<TemporalAttention> small_attention(bool attend_to_cell) {
  return randomised(
      std::make_shared<TemporalAttention>(TemporalAttentionSize{5, 4, 3, attend_to_cell}));
}

TEST(TemporalAttentionTest, EqualsItsEquationsInPlainLoops) {
  for (const bool attend_to_cell : {false, true}) {
    for (const int64_t steps : {1, 2, 6}) {
      const auto network = small_attention(attend_to_cell);
      const naive::Weights weights = naive::weights_of(tensors_of(*network));
      const at::Tensor frames = normal_tensor({3, steps, 5}, 5);
      at::Tensor attention;
      const at::Tensor features = network->forward(frames, &attention);
      ASSERT_EQ(features.sizes(), (std::vector<int64_t>{3, 3}));
      ASSERT_EQ(attention.sizes(), (std::vector<int64_t>{3, steps, steps}));
      for (int64_t clip = 0; clip < 3; ++clip) {
        std::vector<naive::Values> rows;
        for (int64_t t = 0; t < steps; ++t) rows.push_back(naive::values_of(frames[clip][t]));
        const naive::AttendedClip expected =
            naive::temporal_attention(rows, weights, "", attend_to_cell);
        EXPECT_LT(farthest(features[clip], expected.feature), 1e-10);
        for (int64_t t = 0; t < steps; ++t) {
          EXPECT_LT(farthest(attention[clip][t], expected.attention[static_cast<size_t>(t)]),
                    1e-10);
        }
      }
    }
  }
}

TEST(TemporalAttentionTest, TheOrderOfFramesDoesNotMatter) {
  // Attention looks at all frames at every step.
  const auto network = small_attention(false);
  const at::Tensor frames = normal_tensor({2, 6, 5}, 6);
  EXPECT_LT(largest_difference(network->forward(frames), network->forward(frames.flip({1}))),
            1e-12);
}

TEST(TemporalAttentionTest, GradientsEqualFiniteDifferences) {
  for (const bool attend_to_cell : {false, true}) {
    for (const int64_t clips : {1, 2}) {
      const auto network = small_attention(attend_to_cell);
      const at::Tensor frames = normal_tensor({clips, 4, 5}, 7).requires_grad_();
      NamedTensors variables = weights_in(*network);
      variables.emplace_back("frames", frames);
      const at::Tensor factors = normal_tensor({clips, 3}, 8);
      expect_derivatives(variables, [&] { return (network->forward(frames) * factors).sum(); });
    }
  }
}

TEST(TemporalAttentionTest, HasTheSpecifiedParameterCount) {
  EXPECT_EQ(element_count(weights_in(TemporalAttention({}))), 3805696);  // 3.81 million
}

TEST(TemporalAttentionTest, NoClipsGiveNoFeatures) {
  const auto network = small_attention(false);
  const at::Tensor features = network->forward(at::zeros({0, 4, 5}, at::kDouble).requires_grad_());
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{0, 3}));
  features.sum().backward();
  for (const auto& [name, value] : weights_in(*network)) {
    ASSERT_TRUE(value.grad().defined()) << name;
    EXPECT_EQ(value.grad().abs().max().item<double>(), 0) << name;
  }
}

// ---- SpatialRecurrence

// Sides that differ from each other: 3 frames of 4 x 2 places, 5 channels.
SpatialRecurrenceSize small_metric(bool sweeps) {
  SpatialRecurrenceSize size;
  size.in = 5;
  size.frames = 3;
  size.height = 4;
  size.width = 2;
  size.channels = 4;
  size.hidden = 7;
  size.sweeps = sweeps;
  return size;
}

std::shared_ptr<SpatialRecurrence> random_metric(bool sweeps) {
  return randomised(std::make_shared<SpatialRecurrence>(small_metric(sweeps)));
}

at::Tensor judged(SpatialRecurrence& metric, const at::Tensor& first, const at::Tensor& second,
                  const ForwardContext& context) {
  return metric.logits(metric.reduced(first), metric.reduced(second), context);
}

TEST(SpatialRecurrenceTest, EqualsPlainLoops) {
  for (const bool sweeps : {false, true}) {
    const auto metric = random_metric(sweeps);
    const naive::Weights weights = naive::weights_of(tensors_of(*metric));
    const at::Tensor first = 2 * normal_tensor({2 * 3, 5, 4, 2}, 9);
    const at::Tensor second = 2 * normal_tensor({2 * 3, 5, 4, 2}, 10);
    const at::Tensor logits = judged(*metric, first, second, evaluation_context());
    ASSERT_EQ(logits.sizes(), (std::vector<int64_t>{2, 2}));
    for (int64_t pair = 0; pair < 2; ++pair) {
      std::vector<naive::Maps> left, right;
      for (int64_t t = 0; t < 3; ++t) {
        left.push_back(naive::maps_of(first[pair * 3 + t]));
        right.push_back(naive::maps_of(second[pair * 3 + t]));
      }
      EXPECT_LT(farthest(logits[pair], naive::spatial_recurrence(left, right, weights, "", sweeps)),
                1e-10);
    }
  }
}

TEST(SpatialRecurrenceTest, AChangeReachesEveryPlaceOfItsLinesAndNoOther) {
  const auto metric = random_metric(true);
  const at::Tensor volume = normal_tensor({1, 3, 4, 2, 4}, 11);
  at::Tensor changed = volume.clone();
  changed[0][1][2][0] += 1;
  const at::Tensor moved =
      (metric->swept(volume) - metric->swept(changed)).abs().sum(at::IntArrayRef{0, 4}).gt(1e-9);
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t y = 0; y < 4; ++y) {
      for (int64_t x = 0; x < 2; ++x) {
        const int64_t others = int64_t{t != 1} + int64_t{y != 2} + int64_t{x != 0};
        if (others > 1) {
          EXPECT_FALSE(moved[t][y][x].item<bool>()) << t << y << x;
        }
      }
    }
  }
  EXPECT_GT(moved.sum().item<int64_t>(), 3);
}

TEST(SpatialRecurrenceTest, PairsAreNotSymmetric) {
  const auto metric = random_metric(true);
  const at::Tensor first = normal_tensor({3, 5, 4, 2}, 12),
                   second = normal_tensor({3, 5, 4, 2}, 13);
  EXPECT_GT(largest_difference(judged(*metric, first, second, evaluation_context()),
                               judged(*metric, second, first, evaluation_context())),
            1e-3);
}

TEST(SpatialRecurrenceTest, DropoutFollowsThePairsKey) {
  const auto metric = random_metric(true);
  const at::Tensor first = normal_tensor({6, 5, 4, 2}, 14),
                   second = normal_tensor({6, 5, 4, 2}, 15);
  const auto found = [&](std::vector<uint64_t> keys) {
    return judged(*metric, first, second, training_context(std::move(keys)));
  };
  const at::Tensor one = found({1, 2}), other = found({1, 4});
  EXPECT_TRUE(same_values(one, found({1, 2})));
  EXPECT_TRUE(same_values(one[0], other[0]));
  EXPECT_FALSE(same_values(one[1], other[1]));
}

TEST(SpatialRecurrenceTest, GradientsEqualFiniteDifferences) {
  for (const bool sweeps : {false, true}) {
    for (const int64_t pairs : {1, 2}) {
      const auto metric = random_metric(sweeps);
      const at::Tensor first = normal_tensor({pairs * 3, 5, 4, 2}, 16).requires_grad_();
      const at::Tensor second = normal_tensor({pairs * 3, 5, 4, 2}, 17).requires_grad_();
      NamedTensors variables = weights_in(*metric);
      variables.emplace_back("first", first);
      variables.emplace_back("second", second);
      const at::Tensor factors = normal_tensor({pairs, 2}, 18);
      std::vector<uint64_t> keys;
      for (int64_t pair = 0; pair < pairs; ++pair) keys.push_back(static_cast<uint64_t>(pair) + 5);
      expect_derivatives(variables, [&] {
        return (judged(*metric, first, second, training_context(keys)) * factors).sum();
      });
    }
  }
}

TEST(SpatialRecurrenceTest, HasTheSpecifiedParameterCount) {
  EXPECT_EQ(element_count(weights_in(SpatialRecurrence({}))), 7320194);  // 7.32 million
}

TEST(SpatialRecurrenceTest, NoPairsGiveNoLogits) {
  for (const bool sweeps : {false, true}) {
    const auto metric = random_metric(sweeps);
    const at::Tensor none = at::zeros({0, 5, 4, 2}, at::kDouble);
    const at::Tensor logits = judged(*metric, none, none, training_context({}));
    EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{0, 2}));
    logits.sum().backward();
    for (const auto& [name, value] : weights_in(*metric)) {
      ASSERT_TRUE(value.grad().defined()) << name;
      EXPECT_EQ(value.grad().abs().max().item<double>(), 0) << name;
    }
  }
}

}  // namespace
}  // namespace muster::models
