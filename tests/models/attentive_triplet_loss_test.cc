#include "models/losses/attentive_triplet_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/models/loss_support.h"

namespace muster::models {
namespace {

struct SomeVideos {
  at::Tensor parts, attention;
};

SomeVideos some_videos(uint64_t key) {
  return {normal_tensor({4, 3, 5}, key), normal_tensor({4, 3}, key + 1).abs() + 0.1};
}

double plain_attentive_distance(const SomeVideos& left, const SomeVideos& right, int64_t video) {
  double left_sum = 0, right_sum = 0, distance = 0;
  for (int64_t part = 0; part < 3; ++part) {
    left_sum += left.attention[video][part].item<double>();
    right_sum += right.attention[video][part].item<double>();
  }
  for (int64_t part = 0; part < 3; ++part) {
    distance += left.attention[video][part].item<double>() *
                right.attention[video][part].item<double>() / (left_sum * right_sum) *
                plain_distance(left.parts[video][part], right.parts[video][part]);
  }
  return distance;
}

at::Tensor distance_of(const SomeVideos& left, const SomeVideos& right) {
  return attentive_distance(left.parts, left.attention, right.parts, right.attention);
}

TEST(AttentiveDistanceTest, EqualsTheDefinition) {
  const SomeVideos left = some_videos(51), right = some_videos(53);
  const at::Tensor distances = distance_of(left, right);
  ASSERT_EQ(distances.sizes(), (std::vector<int64_t>{4}));
  for (int64_t video = 0; video < 4; ++video) {
    EXPECT_NEAR(distances[video].item<double>(), plain_attentive_distance(left, right, video),
                1e-12);
  }
}

TEST(AttentiveDistanceTest, ScaleOfTheAttentionCancels) {
  const SomeVideos left = some_videos(51), right = some_videos(53);
  const SomeVideos scaled = {left.parts, left.attention * 7};
  EXPECT_LT(largest_difference(distance_of(left, right), distance_of(scaled, right)), 1e-12);
}

TEST(AttentiveDistanceTest, GradientEqualsFiniteDifferences) {
  const SomeVideos left = some_videos(51), right = some_videos(53);
  for (const SomeVideos& side : {left, right}) {
    side.parts.requires_grad_();
    side.attention.requires_grad_();
  }
  const at::Tensor weights = normal_tensor({4}, 55);
  expect_gradients({left.parts, left.attention, right.parts, right.attention},
                   [&] { return (distance_of(left, right) * weights).sum(); });
}

TEST(AttentiveDistanceTest, WithoutAnyAttentionIsZeroWithoutGradient) {
  SomeVideos left = some_videos(51);
  left.attention = at::zeros({4, 3}, at::kDouble).requires_grad_();
  left.parts.requires_grad_();
  const at::Tensor distances = distance_of(left, some_videos(53));
  EXPECT_TRUE(same_values(distances, at::zeros_like(distances)));
  distances.sum().backward();
  EXPECT_TRUE(same_values(left.attention.grad(), at::zeros_like(left.attention)));
  EXPECT_TRUE(same_values(left.parts.grad(), at::zeros_like(left.parts)));
}

TEST(AttentiveDistanceTest, CoincidingVideosHaveAFiniteGradient) {
  SomeVideos video = some_videos(51);
  video.parts.requires_grad_();
  const at::Tensor distances = distance_of(video, video);
  EXPECT_LT(distances.max().item<double>(), 2e-6);
  distances.sum().backward();
  EXPECT_TRUE(same_values(video.parts.grad(), at::zeros_like(video.parts)));
}

TEST(AttentiveDistanceTest, DemandsAnAttentionPerPart) {
  const SomeVideos video = some_videos(51);
  EXPECT_THROW(attentive_distance(video.parts, video.attention.narrow(1, 0, 2), video.parts,
                                  video.attention),
               common::RequirementError);
}

TEST(GlobalDistanceTest, EqualsTheDefinition) {
  const at::Tensor left = normal_tensor({3, 4}, 56), right = normal_tensor({3, 4}, 57);
  const at::Tensor distances = global_distance(left, right);
  for (int64_t video = 0; video < 3; ++video) {
    EXPECT_NEAR(distances[video].item<double>(), plain_distance(left[video], right[video]), 1e-12);
  }
}

TEST(HingeOfTripletsTest, EqualsTheDefinition) {
  const at::Tensor positive = at::tensor({1.0, 2.0, 0.5}, at::kDouble);
  const at::Tensor negative = at::tensor({1.5, 0.5, 4.0}, at::kDouble);
  const LossTerm term = hinge_of_triplets(positive, negative, 1.2, "name");
  EXPECT_NEAR(term.sum.item<double>(), (1.2 - 0.5) + (1.2 + 1.5) + 0, 1e-12);
  EXPECT_EQ(term.count, 3);
  EXPECT_EQ(term.statistics.at("name_active_share"), 2);
  EXPECT_NEAR(term.statistics.at("name_positive_distance"), 3.5, 1e-12);
  EXPECT_NEAR(term.statistics.at("name_negative_distance"), 6, 1e-12);
}

TEST(HingeOfTripletsTest, GradientEqualsFiniteDifferences) {
  const at::Tensor anchor = normal_tensor({3, 4}, 58).requires_grad_();
  const at::Tensor positive = normal_tensor({3, 4}, 59).requires_grad_();
  const at::Tensor negative = normal_tensor({3, 4}, 60).requires_grad_();
  expect_gradients({anchor, positive, negative}, [&] {
    return hinge_of_triplets(global_distance(anchor, positive), global_distance(anchor, negative),
                             3, "name")
        .sum;
  });
}

TEST(HingeOfTripletsTest, WithoutTripletsIsAConnectedZero) {
  const at::Tensor parts = at::empty({0, 3, 5}, at::kDouble).requires_grad_();
  const at::Tensor attention = at::empty({0, 3}, at::kDouble).requires_grad_();
  const at::Tensor distances = attentive_distance(parts, attention, parts, attention);
  const LossTerm term = hinge_of_triplets(distances, distances, 0.8, "name");
  EXPECT_EQ(term.sum.item<double>(), 0);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  EXPECT_EQ(parts.grad().numel(), 0);
}

}  // namespace
}  // namespace muster::models
