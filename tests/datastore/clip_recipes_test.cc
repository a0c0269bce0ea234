// Of clip_transform.cc: the input recipes other than the default one (clip_transform_test.cc).
#include <gtest/gtest.h>

#include <cmath>

#include "common/keyed_random.h"
#include "datastore/clip_transform.h"
#include "datastore/shard_format.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

constexpr int kHeight = 10, kWidth = 8;

StoredClip noisy_clip(int height = kHeight, int width = kWidth) {
  common::KeyedRandom random(7);
  StoredClip clip;
  clip.frames = 2;
  clip.height = clip.flow_height = height, clip.width = clip.flow_width = width;
  for (int i = 0; i < 2 * height * width * 3; ++i) {
    clip.rgb.push_back(static_cast<uint8_t>(random.below(256)));
  }
  for (int i = 0; i < 2 * height * width * 2; ++i) {
    clip.flow.push_back(static_cast<int8_t>(static_cast<int>(random.below(255)) - 127));
  }
  return clip;
}

ClipFormat plain_format(int height = kHeight, int width = kWidth) {
  ClipFormat format{height, width, height, width, false};
  format.colour = ColourSpace::kRgb;
  format.normalisation = Normalisation::kFixed;
  format.subtract_window_mean = false;
  return format;
}

std::vector<float> transformed(const StoredClip& clip, const ClipFormat& format,
                               const ClipTransform& transform = {}) {
  std::vector<float> values(static_cast<size_t>(clip.frames) * format.channels() *
                            format.crop_height * format.crop_width);
  apply_clip_transform(clip.view(), format, transform, values.data());
  return values;
}

uint8_t stored(const StoredClip& clip, int frame, int y, int x, int channel) {
  return clip.rgb[((static_cast<size_t>(frame) * clip.height + y) * clip.width + x) * 3 + channel];
}

float value_at(const std::vector<float>& values, const ClipFormat& format, int frame, int channel,
               int y, int x) {
  const auto plane = static_cast<size_t>(frame) * format.channels() + channel;
  return values[(plane * format.crop_height + y) * format.crop_width + x];
}

// `expected(frame, channel, y, x)` at every place of a transformed clip.
template <typename Expected>
void expect_everywhere(const StoredClip& clip, const ClipFormat& format, Expected expected,
                       double tolerance = 1e-4) {
  const std::vector<float> values = transformed(clip, format);
  for (int frame = 0; frame < clip.frames; ++frame) {
    for (int channel = 0; channel < format.channels(); ++channel) {
      for (int y = 0; y < format.crop_height; ++y) {
        for (int x = 0; x < format.crop_width; ++x) {
          ASSERT_NEAR(value_at(values, format, frame, channel, y, x),
                      expected(frame, channel, y, x), tolerance)
              << frame << " " << channel << " " << y << " " << x;
        }
      }
    }
  }
}

TEST(ClipRecipesTest, ImageNetsMeanAndDeviationOfUnitRgb) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format();
  format.mean = {0.485f, 0.456f, 0.406f};
  format.deviation = {0.229f, 0.224f, 0.225f};
  const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
  expect_everywhere(clip, format, [&](int frame, int channel, int y, int x) {
    return (stored(clip, frame, y, x, channel) / 255.0 - mean[channel]) / deviation[channel];
  });
}

TEST(ClipRecipesTest, MinusOneToOne) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format();
  format.mean = {0.5f, 0.5f, 0.5f};
  format.deviation = {0.5f, 0.5f, 0.5f};
  expect_everywhere(clip, format, [&](int frame, int channel, int y, int x) {
    return stored(clip, frame, y, x, channel) / 127.5 - 1;
  });
}

TEST(ClipRecipesTest, BytesOfBgrWithoutTheirMeans) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format();
  format.colour = ColourSpace::kBgr;
  format.range = ValueRange::kBytes;
  format.mean = {104, 117, 123};
  const int mean[] = {104, 117, 123};
  expect_everywhere(clip, format, [&](int frame, int channel, int y, int x) {
    return stored(clip, frame, y, x, 2 - channel) - mean[channel];
  });
}

TEST(ClipRecipesTest, FlowStaysInPixelsUnderFixedMeans) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format();
  format.flow = true;
  const std::vector<float> values = transformed(clip, format);
  for (int component = 0; component < 2; ++component) {
    const size_t place = ((static_cast<size_t>(kHeight) + 4) * kWidth + 3) * 2;
    EXPECT_NEAR(value_at(values, format, 1, 3 + component, 4, 3),
                clip.flow[place + static_cast<size_t>(component)] * 20 / 127.0, 1e-5);
  }
}

TEST(ClipRecipesTest, TheWindowKeepsItsMeanUnlessAskedOtherwise) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format();
  const std::vector<float> kept = transformed(clip, format);
  format.subtract_window_mean = true;
  const std::vector<float> without = transformed(clip, format);
  double mean = 0;
  const size_t count = kept.size() / 2;
  for (size_t i = 0; i < count; ++i) mean += kept[i] / static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) ASSERT_NEAR(without[i], kept[i] - mean, 1e-5);
}

TEST(ClipRecipesTest, TheRootOfTheDeviationDividesWhenAskedFor) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format();
  format.range = ValueRange::kBytes;
  format.normalisation = Normalisation::kPerFrame;
  format.divide_by_root_of_deviation = true;
  double mean[2][3] = {}, variance[2][3] = {};
  const auto each = [&](auto visit) {
    for (int frame = 0; frame < 2; ++frame) {
      for (int channel = 0; channel < 3; ++channel) {
        for (int y = 0; y < kHeight; ++y) {
          for (int x = 0; x < kWidth; ++x)
            visit(frame, channel, stored(clip, frame, y, x, channel));
        }
      }
    }
  };
  each([&](int frame, int channel, double value) {
    mean[frame][channel] += value / (kHeight * kWidth);
  });
  each([&](int frame, int channel, double value) {
    variance[frame][channel] += std::pow(value - mean[frame][channel], 2) / (kHeight * kWidth);
  });
  expect_everywhere(clip, format, [&](int frame, int channel, int y, int x) {
    return (stored(clip, frame, y, x, channel) - mean[frame][channel]) /
           std::sqrt(std::sqrt(variance[frame][channel]));
  });
}

TEST(ClipRecipesTest, VerticalFlowFirstSwapsTheTwoAndStillNegatesTheHorizontalOne) {
  const StoredClip clip = noisy_clip();
  ClipFormat format = plain_format(), swapped = plain_format();
  format.flow = swapped.flow = true;
  swapped.vertical_flow_first = true;
  for (const bool flip : {false, true}) {
    ClipTransform transform;
    transform.flip = flip;
    const std::vector<float> a = transformed(clip, format, transform);
    const std::vector<float> b = transformed(clip, swapped, transform);
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        EXPECT_EQ(value_at(a, format, 1, 3, y, x), value_at(b, format, 1, 4, y, x));
        EXPECT_EQ(value_at(a, format, 1, 4, y, x), value_at(b, format, 1, 3, y, x));
        EXPECT_EQ(value_at(a, format, 1, 0, y, x), value_at(b, format, 1, 0, y, x));
      }
    }
  }
  ClipTransform mirrored;
  mirrored.flip = true;
  EXPECT_EQ(value_at(transformed(clip, swapped, mirrored), swapped, 0, 4, 2, 1),
            -value_at(transformed(clip, swapped), swapped, 0, 4, 2, kWidth - 2));
}

// Weights of the pixels around `place` along one axis.
double weight_of(Interpolation interpolation, double distance) {
  const double d = std::abs(distance);
  if (interpolation == Interpolation::kBilinear) return std::max(0.0, 1 - d);
  constexpr double a = -0.75;
  if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * (d * d * d - 5 * d * d + 8 * d - 4) : 0;
}

class InterpolationTest : public testing::TestWithParam<Interpolation> {};

TEST_P(InterpolationTest, IsTheWeightedSumOfThePixelsAround) {
  for (const auto& [height, width] : {std::pair{23, 19}, std::pair{7, 5}, std::pair{20, 6}}) {
    const StoredClip clip = noisy_clip();
    ClipFormat format = plain_format(height, width);
    format.interpolation = GetParam();
    format.range = ValueRange::kBytes;
    const double step_y = static_cast<double>(kHeight) / height;
    const double step_x = static_cast<double>(kWidth) / width;
    expect_everywhere(
        clip, format,
        [&](int frame, int channel, int y, int x) {
          const double place_y = (y + 0.5) * step_y - 0.5, place_x = (x + 0.5) * step_x - 0.5;
          double sum = 0;
          for (int j = -3; j < kHeight + 3; ++j) {
            for (int i = -3; i < kWidth + 3; ++i) {
              sum += weight_of(GetParam(), place_y - j) * weight_of(GetParam(), place_x - i) *
                     stored(clip, frame, std::clamp(j, 0, kHeight - 1),
                            std::clamp(i, 0, kWidth - 1), channel);
            }
          }
          return std::clamp(sum, 0.0, 255.0);
        },
        1.01);  // OpenCV rounds weights and result
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, InterpolationTest,
                         testing::Values(Interpolation::kBilinear, Interpolation::kBicubic));

TEST(ClipRecipesTest, BoxesBlackenTheStoredFrameOfTheirOwnFrameOnly) {
  const StoredClip clip = noisy_clip();
  ClipTransform transform;
  transform.boxes = {{2, 1, 3, 4}, {0, 0, 5, 2}};
  StoredClip blackened = clip;
  for (int frame = 0; frame < 2; ++frame) {
    const PixelBox& box = transform.boxes[static_cast<size_t>(frame)];
    for (int y = box.y; y < box.y + box.height; ++y) {
      for (int x = box.x; x < box.x + box.width; ++x) {
        for (size_t channel = 0; channel < 3; ++channel) {
          blackened.rgb[((static_cast<size_t>(frame) * kHeight + y) * kWidth + x) * 3 + channel] =
              0;
        }
      }
    }
  }
  // Enlarged, so that a box drawn after resizing would look different.
  ClipFormat format = plain_format(24, 20);
  format.interpolation = Interpolation::kBilinear;
  const std::vector<uint8_t> before = clip.rgb;
  EXPECT_EQ(transformed(clip, format, transform), transformed(blackened, format));
  EXPECT_NE(transformed(clip, format, transform), transformed(clip, format));
  EXPECT_EQ(clip.rgb, before);
}

TEST(ClipRecipesTest, BoxesThatDoNotFitBreakARequirement) {
  ClipTransform transform;
  transform.boxes = {{0, 0, 2, 2}};
  EXPECT_THROW(transformed(noisy_clip(), plain_format(), transform), common::RequirementError);
  transform.boxes = {{0, 0, 2, 2}, {kHeight - 1, 0, 2, 2}};
  EXPECT_THROW(transformed(noisy_clip(), plain_format(), transform), common::RequirementError);
}

// Joints at the places of their numbers: (number, 2 number) / 2, all certain.
StoredClip clip_with_joints() {
  StoredClip clip = noisy_clip(40, 20);
  for (int i = 0; i < 2 * kJointCount; ++i) {
    const auto number = static_cast<float>(i % kJointCount);
    clip.joints.push_back({number / 2, number, 1});
  }
  return clip;
}

std::vector<Joint> transformed_joints(const StoredClip& clip, const ClipFormat& format,
                                      const ClipTransform& transform) {
  std::vector<Joint> joints(static_cast<size_t>(clip.frames) * kJointCount);
  apply_joint_transform(clip.view(), format, transform, joints.data());
  return joints;
}

TEST(JointTransformTest, JointsFollowResizeAndCrop) {
  const StoredClip clip = clip_with_joints();
  const ClipFormat format{80, 60, 70, 50, false};
  const std::vector<Joint> joints = transformed_joints(clip, format, {3, 5, false});
  for (int number = 0; number < kJointCount; ++number) {
    const Joint& joint = joints[kJointCount + static_cast<size_t>(number)];
    // Pixel centres lie at whole numbers: a pixel of 20 becomes three of 60.
    EXPECT_NEAR(joint.x, (number / 2.0 + 0.5) * 3 - 0.5 - 5, 1e-4);
    EXPECT_NEAR(joint.y, (number + 0.5) * 2 - 0.5 - 3, 1e-4);
  }
}

TEST(JointTransformTest, AFlipMirrorsPlacesAndSwapsLeftAndRight) {
  const StoredClip clip = clip_with_joints();
  const ClipFormat format{40, 20, 30, 12, false};
  const std::vector<Joint> plain = transformed_joints(clip, format, {1, 2, false});
  const std::vector<Joint> mirrored = transformed_joints(clip, format, {1, 2, true});
  // 1-based as the literature counts: head, neck, right arm 3-5, left 6-8, right leg 9-11, left
  // 12-14.
  const int partner[] = {1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11};
  for (size_t number = 0; number < kJointCount; ++number) {
    const Joint& other = plain[static_cast<size_t>(partner[number]) - 1];
    EXPECT_FLOAT_EQ(mirrored[number].x, 11 - other.x);
    EXPECT_FLOAT_EQ(mirrored[number].y, other.y);
    EXPECT_EQ(mirrored[number].confidence, other.confidence);
  }
}

// The picture agrees: a bright pixel under a joint is under that joint's partner after a flip.
TEST(JointTransformTest, AJointStaysOnItsPixel) {
  StoredClip clip = clip_with_joints();
  std::fill(clip.rgb.begin(), clip.rgb.end(), uint8_t{0});
  const int x = 6, y = 12;  // of joint 12
  clip.rgb[(static_cast<size_t>(y) * 20 + x) * 3] = 255;
  ClipFormat format = plain_format(40, 20);
  format.crop_height = 32, format.crop_width = 14;
  const ClipTransform transform{3, 2, true};
  const Joint joint =
      transformed_joints(clip, format, transform)[static_cast<size_t>(mirrored_joint(12))];
  EXPECT_EQ(value_at(transformed(clip, format, transform), format, 0, 0, static_cast<int>(joint.y),
                     static_cast<int>(joint.x)),
            1.0f);
}

TEST(JointTransformTest, JointsOutsideTheWindowBecomeUncertain) {
  const StoredClip clip = clip_with_joints();
  const ClipFormat format{40, 20, 30, 12, false};
  const std::vector<Joint> joints = transformed_joints(clip, format, {4, 0, false});
  for (int number = 0; number < kJointCount; ++number) {
    EXPECT_EQ(joints[static_cast<size_t>(number)].confidence, number < 4 ? 0 : 1) << number;
  }
}

TEST(JointTransformTest, MissingJointsBreakARequirement) {
  EXPECT_THROW(transformed_joints(noisy_clip(), plain_format(), {}), common::RequirementError);
}

}  // namespace
}  // namespace muster::datastore
