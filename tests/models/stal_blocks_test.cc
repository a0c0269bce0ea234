// The parts of STAL, each against plain loops.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/losses/attentive_triplet_loss.h"
#include "models/stal/aggregation.h"
#include "models/stal/part_boxes.h"
#include "models/stal/quality_attention.h"
#include "models/stal/residual_attention.h"
#include "models/stal/roi_pooling.h"
#include "tests/models/naive_stal.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

double stal_difference(const at::Tensor& measured, const naive::Values& expected) {
  EXPECT_EQ(measured.numel(), static_cast<int64_t>(expected.size()));
  return largest_difference(measured.flatten(), at::tensor(expected, at::kDouble));
}

NamedTensors parameters_and(const torch::nn::Module& network, const at::Tensor& input) {
  NamedTensors variables;
  for (const auto& item : network.named_parameters()) {
    variables.emplace_back(item.key(), item.value());
  }
  variables.emplace_back("input", input);
  return variables;
}

// ---- ResidualAttention

std::shared_ptr<ResidualAttention> random_ran() {
  auto network = std::make_shared<ResidualAttention>(5, 7, 1.0 / 16);
  network->to(at::kDouble);
  randomise_weights(tensors_of(*network));
  return network;
}

TEST(ResidualAttentionTest, MaskEqualsPlainLoops) {
  const auto network = random_ran();
  const naive::Weights weights = naive::weights_of(tensors_of(*network));
  const at::Tensor maps = normal_tensor({3, 5, 6, 10}, 1);
  const at::Tensor mask = network->mask(maps);
  ASSERT_EQ(mask.sizes(), (std::vector<int64_t>{3, 7, 6, 10}));
  for (int64_t i = 0; i < 3; ++i) {
    const naive::Maps expected = naive::residual_attention(naive::maps_of(maps[i]), weights, "");
    EXPECT_LT(stal_difference(mask[i], expected.values), 1e-10);
  }
}

TEST(ResidualAttentionTest, TheMaskIsAddedToOne) {
  const at::Tensor maps = normal_tensor({2, 3, 4, 4}, 2), mask = normal_tensor({2, 3, 4, 4}, 3);
  EXPECT_LT(largest_difference(attended(maps, mask), maps + mask * maps), 1e-14);
}

TEST(ResidualAttentionTest, HasTheParametersOfTableOne) {
  const int64_t expected =
      576 * 64 + 64 + 64 * 192 * 9 + 192 + 192 * 192 * 16 + 192 + 192 * 576 + 576;
  EXPECT_EQ(element_count(tensors_of(ResidualAttention(576, 576, 1))), expected);
}

TEST(ResidualAttentionTest, GradientsEqualFiniteDifferences) {
  for (const int64_t images : {1, 2}) {
    const auto network = random_ran();
    const at::Tensor maps = normal_tensor({images, 5, 4, 6}, 4).requires_grad_();
    const at::Tensor factors = normal_tensor({images, 7, 4, 6}, 5);
    expect_derivatives(parameters_and(*network, maps),
                       [&] { return (network->mask(maps) * factors).sum(); });
  }
}

TEST(ResidualAttentionTest, NoImagesGiveNoMask) {
  const auto network = random_ran();
  const at::Tensor mask = network->mask(at::zeros({0, 5, 4, 4}, at::kDouble));
  EXPECT_EQ(mask.sizes(), (std::vector<int64_t>{0, 7, 4, 4}));
  mask.sum().backward();
}

// ---- boxes

TEST(PartBoxesTest, FixedBoxesAreTheLayoutOfATallCropInInputPixels) {
  const at::Tensor layout = fixed_part_boxes(128, 64);
  EXPECT_TRUE(same_values(layout[0], at::tensor({23.0, 4.0, 43.0, 24.0}, at::kDouble)));
  const at::Tensor scaled = fixed_part_boxes(224, 224);
  const auto expected = naive::fixed_boxes(224, 224);
  for (size_t part = 0; part < 6; ++part) {
    EXPECT_LT(stal_difference(scaled[static_cast<int64_t>(part)],
                              {expected[part].begin(), expected[part].end()}),
              1e-12);
  }
}

TEST(PartBoxesTest, BoxesOfJointsEqualPlainLoops) {
  at::Tensor joints = 60 + 30 * normal_tensor({2, 3, 14, 3}, 6);
  joints.select(3, 2).copy_(normal_tensor({2, 3, 14}, 7).gt(-0.5));
  joints[0][1].select(1, 2).zero_();  // nobody seen: all boxes fixed
  const at::Tensor boxes = boxes_of_joints(joints, 96, 128);
  ASSERT_EQ(boxes.sizes(), (std::vector<int64_t>{2, 3, 6, 4}));
  for (int64_t clip = 0; clip < 2; ++clip) {
    for (int64_t t = 0; t < 3; ++t) {
      const auto expected = naive::boxes_of_joints(naive::values_of(joints[clip][t]), 96, 128);
      for (size_t part = 0; part < 6; ++part) {
        EXPECT_LT(stal_difference(boxes[clip][t][static_cast<int64_t>(part)],
                                  {expected[part].begin(), expected[part].end()}),
                  1e-12)
            << clip << t << part;
      }
    }
  }
}

TEST(PartBoxesTest, OnlyUnseenJointsAreLeftOut) {
  at::Tensor joints = at::zeros({1, 1, 14, 3}, at::kDouble);
  // The right arm: a visible shoulder, a hidden elbow, a wrist outside the picture.
  joints[0][0][2] = at::tensor({10.0, 20.0, 1.0}, at::kDouble);
  joints[0][0][3] = at::tensor({14.0, 30.0, 0.5}, at::kDouble);
  joints[0][0][4] = at::tensor({-50.0, 90.0, 0.0}, at::kDouble);
  const at::Tensor boxes = boxes_of_joints(joints, 128, 64)[0][0];
  EXPECT_TRUE(same_values(boxes[2], at::tensor({10.0, 20.0, 14.0, 30.0}, at::kDouble)));
  EXPECT_TRUE(same_values(boxes[3], fixed_part_boxes(128, 64)[3]));
}

TEST(PartBoxesTest, NoClipsHaveNoBoxes) {
  EXPECT_EQ(boxes_of_joints(at::zeros({0, 3, 14, 3}), 64, 64).sizes(),
            (std::vector<int64_t>{0, 3, 6, 4}));
}

// ---- ROI max-pooling

// Whole map, one place, one row, three columns, seven rows, beyond the map.
at::Tensor various_boxes() {
  return at::tensor({0.0,   0.0,  224.0, 224.0, 40.0,  40.0,  44.0,  44.0,  0.0,   100.0, 224.0,
                     100.,  30.0, 0.0,   62.0,  224.0, 33.0,  71.0,  100.0, 167.0, -90.0, -5.0,
                     500.0, 9.0,  24.0,  24.0,  200.0, 136.0, 120.0, 130.0, 20.0,  10.0},
                    at::kDouble)
      .view({8, 4});
}

TEST(RoiPoolingTest, PlacesAreRoundedHalvesUpAndClipped) {
  const at::Tensor places = places_of_boxes(various_boxes(), 1 / 16.0, 14, 14);
  for (int64_t i = 0; i < 8; ++i) {
    const naive::Values box = naive::values_of(various_boxes()[i]);
    const auto expected = naive::places({box[0], box[1], box[2], box[3]}, 1 / 16.0, 14, 14);
    for (size_t k = 0; k < 4; ++k) {
      EXPECT_EQ(places[i][static_cast<int64_t>(k)].item<int64_t>(), expected[k]) << i << k;
    }
  }
  const at::Tensor halves = at::tensor({8.0, 24.0, 40.0, 56.0}, at::kDouble);
  EXPECT_TRUE(same_values(places_of_boxes(halves, 1 / 16.0, 14, 14),
                          at::tensor({1, 2, 3, 4}, at::TensorOptions(at::kLong))));
}

TEST(RoiPoolingTest, EveryBoxOnAMapThatIsNotSquareEqualsPlainLoops) {
  const at::Tensor maps = normal_tensor({2, 3, 9, 14}, 8);
  for (int64_t y = 0; y < 9; ++y) {
    for (int64_t x = 0; x < 14; ++x) {
      const std::array<int64_t, 4> place = {x / 2, y / 3, x, y};
      const at::Tensor places =
          at::tensor({place[0], place[1], place[2], place[3]}, at::kLong).expand({1, 2, 4});
      const at::Tensor pooled = roi_max_pool(maps, places, 8);
      for (int64_t i = 0; i < 2; ++i) {
        const naive::Maps expected = naive::roi_max_pool(naive::maps_of(maps[i]), place, 8);
        ASSERT_LT(stal_difference(pooled[0][i], expected.values), 1e-15) << x << " " << y;
      }
    }
  }
}

TEST(RoiPoolingTest, EqualsTorchsAdaptivePoolOfCropsWithItsGradientInTies) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    // Whole numbers: many maxima are there more than once.
    const at::Tensor values = normal_tensor({4, 5, 14, 14}, 9, type).round();
    const at::Tensor ours = values.clone().requires_grad_();
    const at::Tensor crops = values.clone().requires_grad_();
    const at::Tensor places = places_of_boxes(various_boxes(), 1 / 16.0, 14, 14).view({2, 4, 4});
    const at::Tensor pooled = roi_max_pool(ours, places, 8);
    const at::Tensor expected = roi_max_pool_by_crops(crops, places, 8);
    EXPECT_TRUE(same_values(pooled, expected));
    const at::Tensor factors = normal_tensor(pooled.sizes(), 10, type).round();
    (pooled * factors).sum().backward();
    (expected * factors).sum().backward();
    EXPECT_TRUE(same_values(ours.grad(), crops.grad()));
  }
}

TEST(RoiPoolingTest, GradientEqualsFiniteDifferences) {
  const at::Tensor maps = normal_tensor({2, 3, 5, 6}, 11).requires_grad_();
  const at::Tensor places =
      at::tensor({0, 0, 5, 4, 1, 2, 3, 3, 2, 0, 2, 4, 4, 4, 5, 4}, at::kLong).view({2, 2, 4});
  const at::Tensor factors = normal_tensor({2, 2, 3, 4, 4}, 12);
  (roi_max_pool(maps, places, 4) * factors).sum().backward();
  const at::Tensor gradient = maps.grad();
  for (int64_t i = 0; i < maps.numel(); ++i) {
    const double numeric = numeric_derivative(maps.detach(), i, [&] {
      return (roi_max_pool(maps.detach(), places, 4) * factors).sum().item<double>();
    });
    ASSERT_NEAR(gradient.flatten()[i].item<double>(), numeric, 1e-6) << i;
  }
}

TEST(RoiPoolingTest, NoImagesGiveNothingAndStayInTheGraph) {
  for (const bool by_crops : {false, true}) {
    const at::Tensor maps = at::zeros({0, 3, 4, 5}, at::kDouble).requires_grad_();
    const at::Tensor places = at::zeros({6, 0, 4}, at::kLong);
    const at::Tensor pooled =
        by_crops ? roi_max_pool_by_crops(maps, places, 8) : roi_max_pool(maps, places, 8);
    EXPECT_EQ(pooled.sizes(), (std::vector<int64_t>{6, 0, 3, 8, 8}));
    pooled.sum().backward();
    EXPECT_TRUE(maps.grad().defined());
  }
}

TEST(RoiPoolingTest, BoxesWithoutANumberAreRefused) {
  at::Tensor boxes = various_boxes();
  boxes[3][1] = NAN;
  EXPECT_THROW(places_of_boxes(boxes, 1 / 16.0, 14, 14), common::InputError);
  EXPECT_THROW(
      roi_max_pool(at::zeros({1, 1, 4, 4}), at::tensor({0, 0, 4, 3}, at::kLong).view({1, 1, 4}), 8),
      common::RequirementError);
}

// ---- QualityAttention

std::shared_ptr<QualityAttention> random_attention(int64_t size) {
  auto network = std::make_shared<QualityAttention>(3, size, 6);
  network->to(at::kDouble);
  randomise_weights(tensors_of(*network));
  return network;
}

TEST(QualityAttentionTest, ScoresEqualPlainLoops) {
  const auto network = random_attention(64);
  const naive::Weights weights = naive::weights_of(tensors_of(*network));
  const at::Tensor images = normal_tensor({3, 3, 64, 64}, 13);
  const at::Tensor scores = network->scores(images);
  ASSERT_EQ(scores.sizes(), (std::vector<int64_t>{3, 6}));
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_LT(stal_difference(scores[i], naive::quality(naive::maps_of(images[i]), weights, "")),
              1e-10);
  }
}

TEST(QualityAttentionTest, HasTheParametersOfTheSpecification) {
  const int64_t expected =
      3 * 64 * 49 + 64 + 2 * (64 * 64 * 9 + 64) + 4096 * 6 + 6;  // 8x8 places at 224 pixels
  EXPECT_EQ(element_count(tensors_of(QualityAttention(64, 224, 6))), expected);
}

TEST(QualityAttentionTest, AfterResetAllIsWorthTheSame) {
  const auto network = random_attention(32);
  network->reset_to_equal();
  const at::Tensor scores = network->scores(100 * normal_tensor({2, 3, 32, 32}, 14));
  EXPECT_TRUE(same_values(scores, at::full_like(scores, 0.5)));
}

TEST(QualityAttentionTest, GradientsEqualFiniteDifferences) {
  for (const int64_t images : {1, 2}) {
    const auto network = random_attention(32);
    const at::Tensor pictures = normal_tensor({images, 3, 32, 32}, 15).requires_grad_();
    const at::Tensor factors = normal_tensor({images, 6}, 16);
    expect_derivatives(parameters_and(*network, pictures),
                       [&] { return (network->scores(pictures) * factors).sum(); });
  }
}

TEST(QualityAttentionTest, NoImagesHaveNoScores) {
  const at::Tensor scores = random_attention(32)->scores(at::zeros({0, 3, 32, 32}, at::kDouble));
  EXPECT_EQ(scores.sizes(), (std::vector<int64_t>{0, 6}));
  scores.sum().backward();
}

// ---- aggregation

TEST(AggregationTest, NormalisedScoresOfAClipSumUpToOne) {
  const at::Tensor scores = normal_tensor({3, 4, 6}, 17).sigmoid();
  const at::Tensor normalised = normalised_attention(scores);
  EXPECT_LT(largest_difference(normalised.sum({1, 2}), at::ones({3})), 1e-14);
  EXPECT_LT(largest_difference(normalised[1] * scores[1].sum(), scores[1]), 1e-14);
}

TEST(AggregationTest, AttendedMeanEqualsEquationNineInPlainLoops) {
  const at::Tensor features = normal_tensor({6, 2, 4, 5}, 18);
  const at::Tensor attention = normal_tensor({2, 4, 6}, 19).sigmoid();
  const at::Tensor mean = attended_mean(features, attention);
  ASSERT_EQ(mean.sizes(), (std::vector<int64_t>{2, 6, 5}));
  for (int64_t clip = 0; clip < 2; ++clip) {
    for (int64_t part = 0; part < 6; ++part) {
      std::vector<naive::Values> frames;
      for (int64_t t = 0; t < 4; ++t) frames.push_back(naive::values_of(features[part][clip][t]));
      const naive::Values expected = naive::attended_mean(
          frames, naive::values_of(attention[clip].select(1, part).contiguous()));
      EXPECT_LT(stal_difference(mean[clip][part], expected), 1e-10);
    }
  }
}

TEST(AggregationTest, NormalisationOverTheMapChangesNeitherFeaturesNorDistances) {
  const at::Tensor features = normal_tensor({6, 3, 4, 5}, 20);
  const at::Tensor scores = normal_tensor({3, 4, 6}, 21).sigmoid();
  const at::Tensor normalised = normalised_attention(scores);
  const at::Tensor raw = attended_mean(features, scores);
  const at::Tensor same = attended_mean(features, normalised);
  EXPECT_LT(largest_difference(raw, same), 1e-12);
  EXPECT_LT(
      largest_difference(attentive_distances(raw, scores.mean(1), raw, scores.mean(1)),
                         attentive_distances(same, normalised.mean(1), same, normalised.mean(1))),
      1e-12);
}

TEST(AggregationTest, DistancesEqualEquationEightInPlainLoopsAndThoseOfTheLoss) {
  const at::Tensor queries = normal_tensor({3, 6, 5}, 22), gallery = normal_tensor({4, 6, 5}, 23);
  const at::Tensor query_attention = normal_tensor({3, 6}, 24).sigmoid();
  const at::Tensor gallery_attention = normal_tensor({4, 6}, 25).sigmoid();
  const at::Tensor distances =
      attentive_distances(queries, query_attention, gallery, gallery_attention);
  const auto rows = [](const at::Tensor& parts) {
    std::vector<naive::Values> all;
    for (int64_t r = 0; r < 6; ++r) all.push_back(naive::values_of(parts[r]));
    return all;
  };
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 4; ++j) {
      const double expected =
          naive::attentive_distance(rows(queries[i]), naive::values_of(query_attention[i]),
                                    rows(gallery[j]), naive::values_of(gallery_attention[j]));
      EXPECT_NEAR(distances[i][j].item<double>(), expected, 1e-10);
      const at::Tensor of_loss =
          attentive_distance(queries.narrow(0, i, 1), query_attention.narrow(0, i, 1),
                             gallery.narrow(0, j, 1), gallery_attention.narrow(0, j, 1));
      EXPECT_NEAR(of_loss.item<double>(), expected, 1e-10);
    }
  }
}

TEST(AggregationTest, WithoutAnyAttentionAllIsFinite) {
  const at::Tensor parts = normal_tensor({2, 6, 5}, 26), nothing = at::zeros({2, 6}, at::kDouble);
  EXPECT_EQ(attentive_distances(parts, nothing, parts, nothing).abs().max().item<double>(), 0);
  EXPECT_TRUE(normalised_attention(at::zeros({2, 3, 6})).isfinite().all().item<bool>());
  EXPECT_TRUE(attended_mean(normal_tensor({6, 2, 3, 5}, 27), at::zeros({2, 3, 6}, at::kDouble))
                  .isfinite()
                  .all()
                  .item<bool>());
}

TEST(AggregationTest, GradientsEqualFiniteDifferences) {
  for (const int64_t clips : {1, 2}) {
    const at::Tensor features = normal_tensor({6, clips, 3, 4}, 28).requires_grad_();
    const at::Tensor scores =
        normal_tensor({clips, 3, 6}, 29).sigmoid().contiguous().requires_grad_();
    const at::Tensor factors = normal_tensor({clips, 6, 4}, 30);
    expect_derivatives({{"features", features}, {"scores", scores}}, [&] {
      const at::Tensor attention = normalised_attention(scores);
      return (attended_mean(features, attention) * factors).sum() +
             attention.mean(1).square().sum();
    });
  }
}

TEST(AggregationTest, NoClipsGiveNothing) {
  const at::Tensor features = at::zeros({6, 0, 3, 4}, at::kDouble).requires_grad_();
  const at::Tensor attention = normalised_attention(at::zeros({0, 3, 6}, at::kDouble));
  const at::Tensor mean = attended_mean(features, attention);
  EXPECT_EQ(mean.sizes(), (std::vector<int64_t>{0, 6, 4}));
  mean.sum().backward();
  EXPECT_EQ(attentive_distances(mean, attention.mean(1), mean, attention.mean(1)).sizes(),
            (std::vector<int64_t>{0, 0}));
}

}  // namespace
}  // namespace muster::models
