#include "datastore/optical_flow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/flow_kernel.h"

namespace muster::datastore {
namespace {

using Texture = std::function<double(double x, double y)>;

Image grey_image(int height, int width, const Texture& texture) {
  Image image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double level = std::clamp(texture(x, y), 0.0, 255.0);
      image.rgb.insert(image.rgb.end(), 3, static_cast<uint8_t>(std::lround(level)));
    }
  }
  return image;
}

Image noise_image(int height, int width, uint64_t seed) {
  common::KeyedRandom random(seed);
  Image image{height, width, std::vector<uint8_t>(size_t(height) * width * 3)};
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random.below(256));
  return image;
}

Texture moved(Texture texture, double right, double down) {
  return [=](double x, double y) { return texture(x - right, y - down); };
}

double waves(double x, double y) {
  return 128 + 50 * std::sin(0.35 * x + 0.1 * y) + 50 * std::sin(0.3 * y - 0.12 * x + 1);
}

// The definition, pixel by pixel, with real convolutions and a closed form for the eigenvectors.
class NaiveFlow {
 public:
  NaiveFlow(const Image& previous, const Image& current) : previous_(previous), current_(current) {}

  std::pair<double, double> at(int y, int x, double threshold) const {
    double xx = 0, xy = 0, yy = 0, xt = 0, yt = 0;
    const double kernel[5] = {1 / 16.0, 4 / 16.0, 6 / 16.0, 4 / 16.0, 1 / 16.0};
    for (int j = -2; j <= 2; ++j) {
      for (int i = -2; i <= 2; ++i) {
        const int row = clamped_row(y + j), column = clamped_column(x + i);
        const double weight = kernel[j + 2] * kernel[i + 2];
        const double gx = gradient(row, column, 0, 1), gy = gradient(row, column, 1, 0);
        const double gt = grey(current_, row, column) - grey(previous_, row, column);
        xx += weight * gx * gx, xy += weight * gx * gy, yy += weight * gy * gy;
        xt += weight * gx * gt, yt += weight * gy * gt;
      }
    }
    const double radius = std::sqrt((xx - yy) * (xx - yy) / 4 + xy * xy);
    const double larger = (xx + yy) / 2 + radius, smaller = (xx + yy) / 2 - radius;
    if (larger < threshold) return {0, 0};
    if (smaller >= threshold) {
      const double determinant = xx * yy - xy * xy;
      return {-(yy * xt - xy * yt) / determinant, -(xx * yt - xy * xt) / determinant};
    }
    const double angle = 0.5 * std::atan2(2 * xy, xx - yy);
    const double along = -(std::cos(angle) * xt + std::sin(angle) * yt) / larger;
    return {along * std::cos(angle), along * std::sin(angle)};
  }

 private:
  int clamped_row(int y) const { return std::clamp(y, 0, current_.height - 1); }
  int clamped_column(int x) const { return std::clamp(x, 0, current_.width - 1); }
  double grey(const Image& image, int y, int x) const {
    const uint8_t* rgb = &image.rgb[(size_t(clamped_row(y)) * image.width + clamped_column(x)) * 3];
    return std::floor((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000.0 + 0.5);
  }
  double gradient(int y, int x, int down, int right) const {
    const double kernel[5] = {-1 / 12.0, 8 / 12.0, 0, -8 / 12.0, 1 / 12.0};
    double sum = 0;
    for (int k = -2; k <= 2; ++k)
      sum += kernel[k + 2] * grey(current_, y - k * down, x - k * right);
    return sum;
  }
  const Image &previous_, &current_;
};

void expect_equal_to_naive(const Image& previous, const Image& current, double threshold) {
  const FlowField flow = lucas_kanade_flow(previous, current, threshold);
  const NaiveFlow naive(previous, current);
  for (int y = 0; y < flow.height; ++y) {
    for (int x = 0; x < flow.width; ++x) {
      const auto [horizontal, vertical] = naive.at(y, x, threshold);
      const float* vector = &flow.vectors[(size_t(y) * flow.width + x) * 2];
      ASSERT_NEAR(vector[0], horizontal, 1e-5 * (1 + std::abs(horizontal))) << y << "," << x;
      ASSERT_NEAR(vector[1], vertical, 1e-5 * (1 + std::abs(vertical))) << y << "," << x;
    }
  }
}

TEST(OpticalFlow, EqualsThePixelByPixelDefinition) {
  for (const auto& [height, width] : {std::pair{17, 23}, {1, 1}, {1, 9}, {3, 2}}) {
    expect_equal_to_naive(noise_image(height, width, 1), noise_image(height, width, 2),
                          kNoiseReductionThreshold);
  }
  const Image first = grey_image(40, 31, waves), second = grey_image(40, 31, moved(waves, .5, .3));
  // The high thresholds send part of the pixels, then all, through normal flow and zero.
  for (const double threshold : {kNoiseReductionThreshold, 20.0, 100.0, 1e6}) {
    expect_equal_to_naive(first, second, threshold);
  }
}

TEST(OpticalFlow, MotionRightAndDownIsPositive) {
  const FlowField flow =
      lucas_kanade_flow(grey_image(128, 64, waves), grey_image(128, 64, moved(waves, 0.5, 0.3)));
  double horizontal = 0, vertical = 0;
  for (size_t pixel = 0; pixel < flow.vectors.size() / 2; ++pixel) {
    horizontal += flow.vectors[2 * pixel];
    vertical += flow.vectors[2 * pixel + 1];
  }
  EXPECT_NEAR(horizontal / (128 * 64), 0.5, 0.05);
  EXPECT_NEAR(vertical / (128 * 64), 0.3, 0.03);
}

TEST(OpticalFlow, IsZeroWithoutMotionOrTexture) {
  const Image noise = noise_image(32, 16, 3);
  for (const float value : lucas_kanade_flow(noise, noise).vectors) EXPECT_EQ(value, 0);
  const Image dark = grey_image(32, 16, [](double, double) { return 40; });
  const Image bright = grey_image(32, 16, [](double, double) { return 90; });
  for (const float value : lucas_kanade_flow(dark, bright).vectors) EXPECT_EQ(value, 0);
}

TEST(OpticalFlow, AnEdgeThatMovesDiagonallyShowsOnlyItsNormalMotion) {
  const Texture edge = [](double x, double) { return 128 + 100 * std::tanh((x - 16) / 4); };
  const FlowField flow =
      lucas_kanade_flow(grey_image(24, 32, edge), grey_image(24, 32, moved(edge, 0.5, 0.7)));
  for (int y = 0; y < 24; ++y) {
    const float* vector = &flow.vectors[(size_t(y) * 32 + 16) * 2];
    EXPECT_NEAR(vector[0], 0.5, 0.05);
    EXPECT_EQ(vector[1], 0);
  }
}

// Noise, waves and flat areas, so that each of the three solutions is taken somewhere.
std::pair<Image, Image> mixed_frames(int height, int width) {
  Image first = grey_image(height, width, waves);
  Image second = grey_image(height, width, moved(waves, 0.7, -0.4));
  const Image noise = noise_image(height, width, 5), other_noise = noise_image(height, width, 6);
  const size_t third = first.rgb.size() / 9 * 3;
  std::copy_n(noise.rgb.begin(), third, first.rgb.begin());
  std::copy_n(other_noise.rgb.begin(), third, second.rgb.begin());
  std::fill_n(first.rgb.end() - static_cast<long>(third), third, uint8_t{80});
  std::fill_n(second.rgb.end() - static_cast<long>(third), third, uint8_t{80});
  return {first, second};
}

TEST(OpticalFlow, EveryInstructionSetGivesTheSameBytes) {
  for (const auto& [height, width] : {std::pair{128, 64}, {37, 51}, {5, 16}, {1, 1}, {2, 300}}) {
    const auto [first, second] = mixed_frames(height, width);
    for (const double threshold : {kNoiseReductionThreshold, 50.0}) {
      const auto result_of = [&](const FlowKernel& kernel) {
        std::vector<float> vectors(size_t(height) * width * 2, -1);
        kernel.run(first.rgb.data(), second.rgb.data(), height, width, threshold, vectors.data());
        return vectors;
      };
      const std::vector<float> expected = result_of(flow_kernels().back());
      for (const FlowKernel& kernel : flow_kernels()) {
        EXPECT_EQ(result_of(kernel), expected) << kernel.instructions << " " << height;
      }
    }
  }
}

// Flow and store must not change unnoticed: a store made again has the same bytes.
TEST(OpticalFlow, StoredCountsAreThoseOfThePixelByPixelDefinition) {
  const auto [first, second] = mixed_frames(128, 64);
  const NaiveFlow naive(first, second);
  FlowField expected{128, 64, {}};
  for (int y = 0; y < 128; ++y) {
    for (int x = 0; x < 64; ++x) {
      const auto [horizontal, vertical] = naive.at(y, x, kNoiseReductionThreshold);
      expected.vectors.push_back(static_cast<float>(horizontal));
      expected.vectors.push_back(static_cast<float>(vertical));
    }
  }
  const FlowField flow = lucas_kanade_flow(first, second);
  EXPECT_EQ(quantised_flow(flow, 64, 48), quantised_flow(expected, 64, 48));
}

TEST(OpticalFlow, GreyIsRoundedToTheNearestLevelForEveryColour) {
  // A coloured pixel must move exactly as a pixel of its grey level does.
  for (int red = 0; red < 256; red += 5) {
    for (int green = 0; green < 256; green += 3) {
      const int blue = (red * 7 + green * 13) % 256;
      const int grey = (299 * red + 587 * green + 114 * blue + 500) / 1000;
      Image coloured = grey_image(1, 2, [](double, double) { return 0; });
      coloured.rgb[3] = uint8_t(red), coloured.rgb[4] = uint8_t(green),
      coloured.rgb[5] = uint8_t(blue);
      const Image plain = grey_image(1, 2, [&](double x, double) { return x > 0.5 ? grey : 0; });
      const Image before = grey_image(1, 2, [](double x, double) { return 9 + 3 * x; });
      ASSERT_EQ(lucas_kanade_flow(before, coloured).vectors,
                lucas_kanade_flow(before, plain).vectors)
          << red << " " << green << " " << blue;
    }
  }
}

TEST(OpticalFlow, FramesOfDifferentSizesAreRefused) {
  EXPECT_THROW(lucas_kanade_flow(noise_image(8, 4, 1), noise_image(4, 8, 1)),
               common::RequirementError);
}

TEST(WholePixels, HalvesGoAwayFromZero) {
  FlowField flow{1, 4, {0.49f, 0.5f, -0.49f, -0.5f, 1.5f, 2.5f, -2.5f, 0}};
  round_to_whole_pixels(flow);
  EXPECT_EQ(flow.vectors, (std::vector<float>{0, 1, 0, -1, 2, 3, -3, 0}));
}

// The original added 127 and kept what fits a byte of a picture, 0 to 255.
TEST(WholePixels, AreClampedAsTheOriginalsPictures) {
  FlowField flow{1, 3, {127.4f, 128.4f, 1e6f, -126.6f, -127.6f, -1e6f}};
  round_to_whole_pixels(flow);
  EXPECT_EQ(flow.vectors, (std::vector<float>{127, 128, 128, -127, -127, -127}));
}

TEST(QuantisedFlow, ErrorIsAtMostHalfAStepAndLargeMotionIsClamped) {
  FlowField flow{1, 402, {}};
  for (int step = 0; step < 402; ++step) {
    flow.vectors.push_back(-20 + 0.0997f * step);
    flow.vectors.push_back(step % 2 ? 1000.0f : -20.5f);
  }
  const std::vector<int8_t> stored = quantised_flow(flow, 1, 402);
  for (size_t column = 0; column < 402; ++column) {
    if (flow.vectors[2 * column] > 20) continue;
    EXPECT_NEAR(stored[2 * column] * kFlowPixelsPerCount, flow.vectors[2 * column],
                kFlowPixelsPerCount / 2 + 1e-5);
    EXPECT_EQ(stored[2 * column + 1], column % 2 ? 127 : -127);
  }
}

TEST(QuantisedFlow, ResamplesByAreaAndKeepsPixelsOfTheOriginalFrame) {
  FlowField flow{2, 4, {0, 8, 2, 8, 10, -4, 10, -4, 4, 8, 6, 8, 10, -4, 10, -4}};
  const std::vector<int8_t> stored = quantised_flow(flow, 1, 2);
  const auto steps = [](double pixels) {
    return static_cast<int>(std::lround(pixels / kFlowPixelsPerCount));
  };
  ASSERT_EQ(stored.size(), 4u);
  EXPECT_EQ(stored[0], steps(3));
  EXPECT_EQ(stored[1], steps(8));
  EXPECT_EQ(stored[2], steps(10));
  EXPECT_EQ(stored[3], steps(-4));
}

}  // namespace
}  // namespace muster::datastore
