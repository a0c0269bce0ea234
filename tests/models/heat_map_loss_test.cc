#include "models/losses/heat_map_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/pose_network/heat_maps.h"
#include "tests/models/loss_support.h"

namespace muster::models {
namespace {

constexpr int64_t kMapClips = 2, kMapFrames = 2, kMapJoints = 3, kMapHeight = 6, kMapWidth = 5;

// One joint of each frame unknown, one hidden, one beyond the border.
JointTargets some_targets() {
  JointTargets targets;
  targets.joints = at::empty({kMapClips, kMapFrames, kMapJoints, 3}, at::kDouble);
  const at::Tensor noise = normal_tensor({kMapClips, kMapFrames, kMapJoints}, 31);
  targets.joints.select(3, 0).copy_(2.3 + noise);
  targets.joints.select(3, 1).copy_(2.9 - 0.7 * noise);
  targets.joints.select(3, 2).fill_(1);
  targets.joints.select(2, 1).select(2, 2).fill_(0.5);
  for (int64_t frame = 0; frame < kMapFrames; ++frame) targets.joints[0][frame][frame][2] = 0;
  targets.joints[1][0][0][0] = -0.4;
  targets.deviation = 1.3;
  targets.input_pixels = 4;
  return targets;
}

at::Tensor some_maps() {
  return normal_tensor({kMapClips, kMapFrames, kMapJoints, kMapHeight, kMapWidth}, 32);
}

struct NaiveHeatMapLoss {
  double sum = 0;
  int64_t count = 0;
};

NaiveHeatMapLoss naive_loss(const at::Tensor& maps, const JointTargets& targets) {
  NaiveHeatMapLoss loss;
  for (int64_t clip = 0; clip < maps.size(0); ++clip) {
    for (int64_t frame = 0; frame < maps.size(1); ++frame) {
      for (int64_t joint = 0; joint < maps.size(2); ++joint) {
        const at::Tensor truth = targets.joints[clip][frame][joint];
        if (truth[2].item<double>() <= 0) continue;
        const double joint_x = truth[0].item<double>(), joint_y = truth[1].item<double>();
        double squares = 0;
        for (int64_t y = 0; y < maps.size(3); ++y) {
          for (int64_t x = 0; x < maps.size(4); ++x) {
            const double far =
                (static_cast<double>(x) - joint_x) * (static_cast<double>(x) - joint_x) +
                (static_cast<double>(y) - joint_y) * (static_cast<double>(y) - joint_y);
            const double wanted = std::exp(-far / (2 * targets.deviation * targets.deviation));
            squares += std::pow(maps[clip][frame][joint][y][x].item<double>() - wanted, 2);
          }
        }
        loss.sum += squares / static_cast<double>(maps.size(3) * maps.size(4));
        ++loss.count;
      }
    }
  }
  return loss;
}

TEST(HeatMapLossTest, EqualsPlainLoops) {
  const at::Tensor maps = some_maps();
  const JointTargets targets = some_targets();
  const NaiveHeatMapLoss expected = naive_loss(maps, targets);
  const LossTerm term = heat_map_loss(maps, targets);
  EXPECT_NEAR(term.sum.item<double>(), expected.sum, 1e-10);
  EXPECT_EQ(term.count, expected.count);
  EXPECT_EQ(term.count, kMapClips * kMapFrames * kMapJoints - kMapFrames);
}

TEST(HeatMapLossTest, GradientEqualsFiniteDifferences) {
  const at::Tensor maps = some_maps().requires_grad_();
  const JointTargets targets = some_targets();
  expect_gradients({maps}, [&] { return heat_map_loss(maps, targets).sum; });
}

TEST(HeatMapLossTest, ThePerfectMapCostsNothingAndFindsEveryJoint) {
  JointTargets targets = some_targets();
  targets.joints.select(3, 0).copy_(targets.joints.select(3, 0).round().clamp(0, kMapWidth - 1));
  targets.joints.select(3, 1).copy_(targets.joints.select(3, 1).round().clamp(0, kMapHeight - 1));
  const at::Tensor maps = gaussian_maps(targets.joints, kMapHeight, kMapWidth, targets.deviation);
  const LossTerm term = heat_map_loss(maps, targets);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.statistics.at("joint_pck"), static_cast<double>(term.count));
  EXPECT_NEAR(term.statistics.at("joint_error"), 0, 1e-9);
}

TEST(HeatMapLossTest, StatisticsAreInPixelsOfTheInput) {
  JointTargets targets;
  targets.joints =
      at::tensor({4.0, 10.0, 1.0, 9.0, 9.0, 0.5, 3.0, 3.0, 0.0}, at::kDouble).view({1, 1, 3, 3});
  targets.deviation = 1;
  targets.input_pixels = 4;
  // Peaks at (7, 6): off by (3, -4); at (9, 8): off by 1; the third is unknown.
  at::Tensor maps = at::zeros({1, 1, 3, 20, 20}, at::kDouble);
  maps[0][0][0][6][7] = 1;
  maps[0][0][1][8][9] = 1;
  const LossTerm term = heat_map_loss(maps, targets);
  EXPECT_EQ(term.count, 2);
  EXPECT_NEAR(term.statistics.at("joint_error"), 4 * (5 + 1), 1e-12);
  EXPECT_EQ(term.statistics.at("joint_pck"), 1);  // within 2 of 20
}

TEST(HeatMapLossTest, UnknownJointsAreLeftOutWhereverTheyAre) {
  const at::Tensor maps = some_maps().requires_grad_();
  JointTargets targets = some_targets();
  targets.joints.select(3, 2).zero_();
  targets.joints.select(3, 0).fill_(1e30);
  const LossTerm term = heat_map_loss(maps, targets);
  EXPECT_EQ(term.count, 0);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.statistics.at("joint_error"), 0);
  term.sum.backward();
  EXPECT_EQ(maps.grad().abs().max().item<double>(), 0);
}

TEST(HeatMapLossTest, WithoutClipsIsAConnectedZero) {
  const at::Tensor maps =
      at::empty({0, 2, kMapJoints, kMapHeight, kMapWidth}, at::kDouble).requires_grad_();
  JointTargets targets = some_targets();
  targets.joints = at::empty({0, 2, kMapJoints, 3}, at::kDouble);
  const LossTerm term = heat_map_loss(maps, targets);
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  EXPECT_EQ(maps.grad().numel(), 0);
}

TEST(HeatMapLossTest, DemandsAMapForEveryJoint) {
  JointTargets targets = some_targets();
  EXPECT_THROW(heat_map_loss(some_maps().narrow(2, 0, 2), targets), common::RequirementError);
  EXPECT_THROW(heat_map_loss(some_maps()[0], targets), common::RequirementError);
  targets.deviation = 0;
  EXPECT_THROW(heat_map_loss(some_maps(), targets), common::RequirementError);
}

// ---- from maps to joints

std::vector<double> decoded_map(const at::Tensor& map) {
  const at::Tensor joint = decoded_joints(map);
  return {joint[0].item<double>(), joint[1].item<double>(), joint[2].item<double>()};
}

// The largest value, moved to the top of the parabola through its neighbours.
std::vector<double> naive_decoded_map(const at::Tensor& map) {
  const auto value = [&](int64_t y, int64_t x) { return map[y][x].item<double>(); };
  int64_t best_y = 0, best_x = 0;
  for (int64_t y = 0; y < map.size(0); ++y) {
    for (int64_t x = 0; x < map.size(1); ++x) {
      if (value(y, x) > value(best_y, best_x)) {
        best_y = y;
        best_x = x;
      }
    }
  }
  const double peak = value(best_y, best_x);
  double x = static_cast<double>(best_x), y = static_cast<double>(best_y);
  // a t^2 + b t + c through (-1, before), (0, peak), (1, after) has its top at -b / (2 a).
  const auto top = [&](double before, double after) {
    const double a = (before + after) / 2 - peak, b = (after - before) / 2;
    return a < 0 ? -b / (2 * a) : 0;
  };
  if (best_x > 0 && best_x < map.size(1) - 1) {
    x += top(value(best_y, best_x - 1), value(best_y, best_x + 1));
  }
  if (best_y > 0 && best_y < map.size(0) - 1) {
    y += top(value(best_y - 1, best_x), value(best_y + 1, best_x));
  }
  return {x, y, std::min(1.0, std::max(0.0, peak))};
}

TEST(DecodedJointsTest, EqualPlainLoops) {
  // Every place of a 4x3 map is the largest of some.
  const at::Tensor maps = normal_tensor({2, 60, 4, 3}, 33);
  const at::Tensor joints = decoded_joints(maps);
  ASSERT_EQ(joints.sizes(), (std::vector<int64_t>{2, 60, 3}));
  for (int64_t clip = 0; clip < 2; ++clip) {
    for (int64_t map = 0; map < 60; ++map) {
      const std::vector<double> expected = naive_decoded_map(maps[clip][map]);
      for (int64_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(joints[clip][map][i].item<double>(), expected[static_cast<size_t>(i)], 1e-10);
      }
    }
  }
}

TEST(DecodedJointsTest, FindABellBetweenPixels) {
  const at::Tensor truth = at::tensor({7.3, 4.6, 1.0}, at::kDouble);
  const std::vector<double> found = decoded_map(gaussian_maps(truth, 12, 14, 1.5));
  EXPECT_NEAR(found[0], 7.3, 0.05);
  EXPECT_NEAR(found[1], 4.6, 0.05);
  EXPECT_NEAR(found[2], 0.94, 0.01);
}

TEST(DecodedJointsTest, FlatMapsAndBordersAreNotMoved) {
  EXPECT_EQ(decoded_map(at::full({5, 5}, 0.25, at::kDouble)), (std::vector<double>{0, 0, 0.25}));
  at::Tensor corner = at::zeros({5, 5}, at::kDouble);
  corner[4][4] = 7;
  corner[3][4] = 6;
  EXPECT_EQ(decoded_map(corner), (std::vector<double>{4, 4, 1}));
  corner.fill_(-3);
  corner[0][4] = -2;
  EXPECT_EQ(decoded_map(corner), (std::vector<double>{4, 0, 0}));
}

TEST(DecodedJointsTest, OfNoMapsThereAreNone) {
  EXPECT_EQ(decoded_joints(at::empty({0, 2, 14, 5, 5})).sizes(),
            (std::vector<int64_t>{0, 2, 14, 3}));
}

TEST(DecodedJointsTest, PlacesAreThoseOfPixelsCentres) {
  const at::Tensor place = at::tensor({-0.5, 0.0, 2.25}, at::kDouble);
  const at::Tensor large = enlarged_place(place, 4);
  EXPECT_TRUE(same_values(large, at::tensor({-0.5, 1.5, 10.5}, at::kDouble)));
  EXPECT_TRUE(same_values(shrunken_place(large, 4), place));
}

}  // namespace
}  // namespace muster::models
