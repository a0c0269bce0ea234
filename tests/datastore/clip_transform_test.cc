#include "datastore/clip_transform.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/keyed_random.h"
#include "datastore/shard_format.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

// The recipe again, in double, with plain loops. Pictures and flow must be whole multiples of the
// resized frame, so that resampling is a mean over cells.
class NaiveTransform {
 public:
  NaiveTransform(const StoredClip& clip, const ClipFormat& format, const ClipTransform& transform)
      : clip_(clip), format_(format), transform_(transform) {}

  std::vector<double> result() const {
    std::vector<double> values;
    for (size_t frame = 0; frame < static_cast<size_t>(clip_.frames); ++frame) {
      std::vector<double> window;
      for (int channel = 0; channel < format_.channels(); ++channel) {
        append_window(standardised(plane(frame, channel)), channel, window);
      }
      double mean = 0;
      for (const double value : window) mean += value / static_cast<double>(window.size());
      for (const double value : window) values.push_back(value - mean);
    }
    return values;
  }

 private:
  using Plane = std::vector<double>;

  double colour(size_t frame, int y, int x, int channel) const {
    const int cell = clip_.height / format_.resize_height;
    const uint8_t* rgb = &clip_.rgb[frame * clip_.height * clip_.width * 3];
    double sum = 0;
    for (int j = 0; j < cell; ++j) {
      for (int i = 0; i < cell; ++i) {
        sum += rgb[(static_cast<size_t>(y * cell + j) * clip_.width + x * cell + i) * 3 + channel];
      }
    }
    return std::floor(sum / (cell * cell) + 0.5);
  }
  double flow(size_t frame, int y, int x, int component) const {
    const int cell = clip_.flow_height / format_.resize_height;
    double sum = 0;
    for (int j = 0; j < cell; ++j) {
      for (int i = 0; i < cell; ++i) {
        sum += clip_.flow[((frame * clip_.flow_height + y * cell + j) * clip_.flow_width +
                           static_cast<size_t>(x) * cell + i) *
                              2 +
                          component];
      }
    }
    return sum / (cell * cell) * 20 / 127;
  }
  Plane plane(size_t frame, int channel) const {
    Plane values;
    for (int y = 0; y < format_.resize_height; ++y) {
      for (int x = 0; x < format_.resize_width; ++x) {
        if (channel >= 3) {
          values.push_back(flow(frame, y, x, channel - 3));
          continue;
        }
        const double r = colour(frame, y, x, 0) / 255, g = colour(frame, y, x, 1) / 255,
                     b = colour(frame, y, x, 2) / 255;
        const double yuv[3] = {0.299 * r + 0.587 * g + 0.114 * b,
                               -0.14713 * r - 0.28886 * g + 0.436 * b,
                               0.615 * r - 0.51499 * g - 0.10001 * b};
        values.push_back(yuv[channel]);
      }
    }
    return values;
  }
  static Plane standardised(Plane values) {
    const auto count = static_cast<double>(values.size());
    double mean = 0, variance = 0;
    for (const double value : values) mean += value / count;
    for (const double value : values) variance += (value - mean) * (value - mean) / count;
    for (double& value : values)
      value = variance > 1e-13 ? (value - mean) / std::sqrt(variance) : 0;
    return values;
  }
  void append_window(const Plane& values, int channel, std::vector<double>& window) const {
    for (int y = 0; y < format_.crop_height; ++y) {
      for (int x = 0; x < format_.crop_width; ++x) {
        const int column = transform_.flip ? format_.crop_width - 1 - x : x;
        const double value =
            values[static_cast<size_t>(y + transform_.crop_y) * format_.resize_width + column +
                   transform_.crop_x];
        window.push_back(transform_.flip && channel == 3 ? -value : value);
      }
    }
  }

  const StoredClip& clip_;
  const ClipFormat& format_;
  const ClipTransform& transform_;
};

constexpr int kFrames = 3, kHeight = 16, kWidth = 12;

// Noise on waves; frames `frame_cell` and flow `flow_cell` times the resized size.
StoredClip noisy_clip(int frame_cell, int flow_cell) {
  common::KeyedRandom random(99);
  StoredClip clip;
  clip.frames = kFrames;
  clip.height = kHeight * frame_cell;
  clip.width = kWidth * frame_cell;
  clip.flow_height = kHeight * flow_cell;
  clip.flow_width = kWidth * flow_cell;
  for (int frame = 0; frame < kFrames; ++frame) {
    Image image = waves(kHeight * frame_cell, kWidth * frame_cell, 4, frame);
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(value - 30 + random.below(60));
    clip.rgb.insert(clip.rgb.end(), image.rgb.begin(), image.rgb.end());
    for (int i = 0; i < clip.flow_height * clip.flow_width * 2; ++i) {
      clip.flow.push_back(static_cast<int8_t>(static_cast<int>(random.below(255)) - 127));
    }
  }
  return clip;
}

ClipFormat small_format() { return {kHeight, kWidth, 12, 8, true}; }
ClipFormat whole_format() { return {kHeight, kWidth, kHeight, kWidth, true}; }

std::vector<float> transformed(const StoredClip& clip, const ClipFormat& format,
                               const ClipTransform& transform) {
  std::vector<float> values(static_cast<size_t>(clip.frames) * format.channels() *
                            format.crop_height * format.crop_width);
  apply_clip_transform(clip.view(), format, transform, values.data());
  return values;
}

void expect_naive(const StoredClip& clip, const ClipFormat& format,
                  const ClipTransform& transform) {
  const std::vector<float> values = transformed(clip, format, transform);
  const std::vector<double> expected = NaiveTransform(clip, format, transform).result();
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], expected[i], 2e-5) << i;
}

// Value of one pixel of an output.
double at(const std::vector<float>& values, const ClipFormat& format, int frame, int channel, int y,
          int x) {
  return values[((static_cast<size_t>(frame) * format.channels() + channel) * format.crop_height +
                 y) *
                    format.crop_width +
                x];
}

TEST(ClipTransformTest, IsTheRecipeForStoredFramesOfTheResizedSize) {
  expect_naive(noisy_clip(1, 1), small_format(), {1, 3, false});
}

TEST(ClipTransformTest, IsTheRecipeMirrored) {
  expect_naive(noisy_clip(1, 1), small_format(), {4, 0, true});
}

TEST(ClipTransformTest, IsTheRecipeForLargerFrames) {
  expect_naive(noisy_clip(3, 1), small_format(), {2, 2, false});
}

TEST(ClipTransformTest, IsTheRecipeForLargerFlow) {
  expect_naive(noisy_clip(1, 3), small_format(), {2, 2, true});
}

TEST(ClipTransformTest, IsTheRecipeWithoutFlow) {
  ClipFormat format = small_format();
  format.flow = false;
  StoredClip clip = noisy_clip(1, 1);
  clip.flow.clear();
  expect_naive(clip, format, {1, 3, true});
}

TEST(ClipTransformTest, EachChannelOfEachFrameHasMeanZeroAndVarianceOneOverTheResizedFrame) {
  const ClipFormat format = whole_format();
  const std::vector<float> values = transformed(noisy_clip(1, 1), format, {0, 0, false});
  for (int frame = 0; frame < kFrames; ++frame) {
    for (int channel = 0; channel < 5; ++channel) {
      double sum = 0, squares = 0;
      for (int y = 0; y < kHeight; ++y) {
        for (int x = 0; x < kWidth; ++x) {
          const double value = at(values, format, frame, channel, y, x);
          sum += value, squares += value * value;
        }
      }
      EXPECT_NEAR(sum / (kHeight * kWidth), 0, 1e-5) << frame << " " << channel;
      EXPECT_NEAR(squares / (kHeight * kWidth), 1, 1e-5) << frame << " " << channel;
    }
  }
}

TEST(ClipTransformTest, EachWindowHasMeanZeroOverAllChannels) {
  const ClipFormat format = small_format();
  const std::vector<float> values = transformed(noisy_clip(1, 1), format, {3, 1, false});
  const size_t window = values.size() / kFrames;
  for (size_t frame = 0; frame < kFrames; ++frame) {
    double sum = 0;
    for (size_t i = 0; i < window; ++i) sum += values[frame * window + i];
    EXPECT_NEAR(sum / static_cast<double>(window), 0, 1e-6);
  }
}

TEST(ClipTransformTest, AFlipMirrorsEveryChannelAndNegatesHorizontalFlowOnly) {
  const ClipFormat format = whole_format();
  const StoredClip clip = noisy_clip(1, 1);
  const std::vector<float> plain = transformed(clip, format, {0, 0, false});
  const std::vector<float> mirrored = transformed(clip, format, {0, 0, true});
  for (int channel = 0; channel < 5; ++channel) {
    const double sign = channel == 3 ? -1 : 1;
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        EXPECT_NEAR(at(mirrored, format, 1, channel, y, x),
                    sign * at(plain, format, 1, channel, y, kWidth - 1 - x), 1e-5);
      }
    }
  }
}

TEST(ClipTransformTest, TheWindowLiesWhereTheCropSays) {
  const StoredClip clip = noisy_clip(1, 1);
  const ClipFormat format = small_format();
  const std::vector<float> whole = transformed(clip, whole_format(), {0, 0, false});
  for (int crop_y = 0; crop_y <= 4; ++crop_y) {
    for (int crop_x = 0; crop_x <= 4; ++crop_x) {
      const std::vector<float> cut = transformed(clip, format, {crop_y, crop_x, false});
      // Only the window's mean differs, and that is one number for the frame.
      const double shift =
          at(cut, format, 2, 0, 0, 0) - at(whole, whole_format(), 2, 0, crop_y, crop_x);
      for (int channel = 0; channel < 5; ++channel) {
        EXPECT_NEAR(at(cut, format, 2, channel, 11, 7),
                    at(whole, whole_format(), 2, channel, crop_y + 11, crop_x + 7) + shift, 1e-5);
      }
    }
  }
}

TEST(ClipTransformTest, AChannelWithoutVarianceBecomesZero) {
  StoredClip clip = noisy_clip(1, 1);
  std::fill_n(clip.flow.begin(), kHeight * kWidth * 2, int8_t{0});
  const std::vector<float> values = transformed(clip, whole_format(), {0, 0, false});
  for (int channel = 3; channel < 5; ++channel) {
    for (int y = 0; y < kHeight; ++y) {
      EXPECT_NEAR(at(values, whole_format(), 0, channel, y, 5), 0, 1e-6);
    }
  }
}

TEST(ClipTransformTest, AConstantClipBecomesZeroEverywhere) {
  StoredClip clip;
  clip.frames = 1, clip.height = clip.flow_height = kHeight, clip.width = clip.flow_width = kWidth;
  for (int i = 0; i < kHeight * kWidth; ++i) clip.rgb.insert(clip.rgb.end(), {201, 77, 33});
  clip.flow.assign(kHeight * kWidth * 2, int8_t{-45});
  for (const float value : transformed(clip, small_format(), {1, 1, true})) EXPECT_EQ(value, 0.0f);
}

TEST(ClipTransformTest, FramesDoNotInfluenceEachOther) {
  StoredClip clip = noisy_clip(1, 1);
  const std::vector<float> before = transformed(clip, small_format(), {1, 1, false});
  const Image other = waves(kHeight, kWidth, 9, 9);
  std::copy(other.rgb.begin(), other.rgb.end(), clip.rgb.begin());
  const std::vector<float> after = transformed(clip, small_format(), {1, 1, false});
  const size_t frame = before.size() / kFrames;
  EXPECT_FALSE(
      std::equal(before.begin(), before.begin() + static_cast<long>(frame), after.begin()));
  EXPECT_TRUE(std::equal(before.begin() + static_cast<long>(frame), before.end(),
                         after.begin() + static_cast<long>(frame)));
}

TEST(CutWindowsTest, EachWindowHasTheBitsThatItHasAlone) {
  const StoredClip clip = noisy_clip(3, 2);
  const std::vector<ClipWindow> windows = {
      {0, 0, false}, {4, 4, true}, {1, 3, false}, {1, 3, true}};
  const std::vector<std::vector<PixelBox>> occlusions = {
      {}, {{0, 0, 9, 9}, {5, 7, 9, 9}, {30, 20, 9, 9}}};
  for (const bool flow : {false, true}) {
    for (const std::vector<PixelBox>& boxes : occlusions) {
      ClipFormat format = small_format();
      format.flow = flow;
      std::vector<float> expected;
      for (const ClipWindow& window : windows) {
        const std::vector<float> alone =
            transformed(clip, format, {window.crop_y, window.crop_x, window.flip, boxes});
        expected.insert(expected.end(), alone.begin(), alone.end());
      }
      std::vector<float> values(expected.size());
      cut_windows(clip.view(), format, boxes, windows, values.data());
      EXPECT_EQ(values, expected);
    }
  }
}

TEST(CutWindowsTest, OneWindowOutsideTheFrameBreaksARequirement) {
  const StoredClip clip = noisy_clip(1, 1);
  std::vector<float> values(2 * kFrames * 5 * 12 * 8);
  EXPECT_THROW(
      cut_windows(clip.view(), small_format(), {}, {{0, 0, false}, {5, 0, false}}, values.data()),
      common::RequirementError);
}

TEST(ClipTransformTest, AWindowOutsideTheFrameBreaksARequirement) {
  const StoredClip clip = noisy_clip(1, 1);
  EXPECT_THROW(transformed(clip, small_format(), {5, 0, false}), common::RequirementError);
  EXPECT_THROW(transformed(clip, small_format(), {0, 5, false}), common::RequirementError);
  EXPECT_THROW(transformed(clip, small_format(), {-1, 0, false}), common::RequirementError);
  EXPECT_THROW(transformed(clip, small_format(), {0, -1, false}), common::RequirementError);
}

TEST(ClipTransformTest, MissingFlowBreaksARequirement) {
  StoredClip clip = noisy_clip(1, 1);
  clip.flow.pop_back();
  EXPECT_THROW(transformed(clip, small_format(), {0, 0, false}), common::RequirementError);
}

TEST(ClipFormatTest, FlowAddsTwoChannels) {
  EXPECT_EQ((ClipFormat{8, 8, 8, 8, true}).channels(), 5);
  EXPECT_EQ((ClipFormat{8, 8, 8, 8, false}).channels(), 3);
}

}  // namespace
}  // namespace muster::datastore
