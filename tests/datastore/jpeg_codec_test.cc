#include "datastore/jpeg_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <opencv2/imgcodecs.hpp>
#include <thread>

#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;

double mean_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(int{a[i]} - int{b[i]});
  return sum / static_cast<double>(a.size());
}

TEST(JpegCodecTest, APictureComesBackCloseToItself) {
  const Image source = waves(64, 48, 3, 1);
  const std::vector<uint8_t> bytes = encoded_jpeg(source);
  const Image decoded = decoded_jpeg(bytes.data(), bytes.size(), "test");
  ASSERT_EQ(decoded.height, 64);
  ASSERT_EQ(decoded.width, 48);
  EXPECT_LT(mean_difference(decoded.rgb, source.rgb), 2.0);
}

TEST(JpegCodecTest, SizesThatAreNoMultipleOfABlockComeBack) {
  const Image source = waves(13, 7, 0, 0);
  const std::vector<uint8_t> bytes = encoded_jpeg(source);
  const Image decoded = decoded_jpeg(bytes.data(), bytes.size(), "test");
  EXPECT_EQ(decoded.height, 13);
  EXPECT_EQ(decoded.width, 7);
  EXPECT_LT(mean_difference(decoded.rgb, source.rgb), 4.0);
}

TEST(JpegCodecTest, RedStaysRed) {
  Image red{16, 16, {}};
  for (int i = 0; i < 256; ++i) red.rgb.insert(red.rgb.end(), {200, 20, 40});
  const std::vector<uint8_t> bytes = encoded_jpeg(red);
  const Image decoded = decoded_jpeg(bytes.data(), bytes.size(), "test");
  EXPECT_NEAR(decoded.rgb[0], 200, 3);
  EXPECT_NEAR(decoded.rgb[1], 20, 3);
  EXPECT_NEAR(decoded.rgb[2], 40, 3);
}

// With colour at half size, single coloured columns would wash out.
TEST(JpegCodecTest, KeepsColourAtFullResolution) {
  Image stripes{16, 16, {}};
  for (int i = 0; i < 256; ++i) {
    const uint8_t red = i % 2 == 0 ? 200 : 60, blue = i % 2 == 0 ? 60 : 200;
    stripes.rgb.insert(stripes.rgb.end(), {red, 100, blue});
  }
  const std::vector<uint8_t> bytes = encoded_jpeg(stripes);
  const Image decoded = decoded_jpeg(bytes.data(), bytes.size(), "test");
  EXPECT_GT(int{decoded.rgb[0]} - int{decoded.rgb[3]}, 100);
}

TEST(JpegCodecTest, IsReadableByAnotherDecoder) {
  const Image source = waves(32, 24, 2, 0);
  const cv::Mat decoded = cv::imdecode(encoded_jpeg(source), cv::IMREAD_COLOR);
  ASSERT_EQ(decoded.rows, 32);
  ASSERT_EQ(decoded.cols, 24);
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 24; ++x) {
      EXPECT_NEAR(decoded.at<cv::Vec3b>(y, x)[2], source.rgb[(static_cast<size_t>(y) * 24 + x) * 3],
                  12);
    }
  }
}

TEST(JpegCodecTest, TheSamePictureGivesTheSameBytesInEveryThread) {
  const Image source = waves(64, 48, 1, 1);
  const std::vector<uint8_t> expected = encoded_jpeg(source);
  std::vector<std::vector<uint8_t>> encoded(4);
  std::vector<std::thread> threads;
  for (auto& bytes : encoded) threads.emplace_back([&] { bytes = encoded_jpeg(source); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& bytes : encoded) EXPECT_EQ(bytes, expected);
}

TEST(JpegCodecTest, ATruncatedPictureIsAnInputErrorThatNamesTheObject) {
  const std::vector<uint8_t> bytes = encoded_jpeg(waves(64, 48, 1, 1));
  for (const size_t count : {bytes.size() - 2, bytes.size() / 2, bytes.size() / 4}) {
    const std::string text =
        failure_text<InputError>([&] { decoded_jpeg(bytes.data(), count, "shard 3 frame 9"); });
    EXPECT_TRUE(contains(text, "shard 3 frame 9")) << text;
  }
}

// libjpeg only warns of it, and fills in what it cannot read.
TEST(JpegCodecTest, DamageInTheMiddleIsAnInputErrorThatNamesTheObject) {
  const Image source = waves(64, 48, 1, 1);
  const std::vector<uint8_t> whole = encoded_jpeg(source);
  std::vector<uint8_t> stray = whole;  // ten bytes that belong to nothing, before the end marker
  stray.insert(stray.end() - 2, 10, 0x55);
  std::vector<uint8_t> overwritten = whole;
  for (size_t i = 0; i < 60; ++i) overwritten[whole.size() / 2 + i] = uint8_t(i * 37 + 11);
  for (const auto& bytes : {stray, overwritten}) {
    const std::string text = failure_text<InputError>(
        [&] { decoded_jpeg(bytes.data(), bytes.size(), "shard 3 frame 9"); });
    EXPECT_TRUE(contains(text, "shard 3 frame 9: cannot be decoded: Corrupt JPEG data")) << text;
    std::vector<uint8_t> rgb(source.rgb.size());
    EXPECT_FALSE(decode_jpeg_into(bytes.data(), bytes.size(), 64, 48, false, rgb.data()));
  }
}

TEST(JpegCodecTest, WhatLibjpegWarnsOfOtherwiseDecodes) {
  const Image source = waves(64, 48, 1, 1);
  std::vector<uint8_t> bytes = encoded_jpeg(source);
  const std::vector<uint8_t> scan = {0xFF, 0xDA, 0, 12, 3};
  const auto found = std::search(bytes.begin(), bytes.end(), scan.begin(), scan.end());
  ASSERT_LT(found - bytes.begin(), int64_t(bytes.size()) - 20);
  ASSERT_EQ(found[12], 63);  // the last coefficient, which is always this in such files
  found[12] = 0;
  EXPECT_LT(mean_difference(decoded_jpeg(bytes.data(), bytes.size(), "a").rgb, source.rgb), 2.0);
}

TEST(JpegCodecTest, OtherBytesAreAnInputErrorThatNamesTheObject) {
  const std::vector<uint8_t> bytes(100, 'x');
  const std::string text =
      failure_text<InputError>([&] { decoded_jpeg(bytes.data(), bytes.size(), "frame 9"); });
  EXPECT_TRUE(contains(text, "frame 9")) << text;
}

TEST(JpegCodecTest, NoBytesAreAnInputError) {
  EXPECT_THROW(decoded_jpeg(nullptr, 0, "frame 9"), InputError);
}

// In a thread of its own, because codecs live as long as their thread.
TEST(JpegCodecTest, DecodesAgainAfterATruncatedPicture) {
  std::vector<std::string> failures;
  std::thread([&] {
    const std::vector<uint8_t> bytes = encoded_jpeg(waves(16, 16, 1, 1));
    for (size_t count = 0; count < bytes.size(); ++count) {
      try {
        decoded_jpeg(bytes.data(), count, "cut");
      } catch (const InputError&) {
      }
      try {
        decoded_jpeg(bytes.data(), bytes.size(), "whole");
      } catch (const InputError& failure) {
        failures.push_back("after " + std::to_string(count) + " bytes: " + failure.what());
      }
    }
  }).join();
  EXPECT_TRUE(failures.empty()) << failures.size() << " failures, the first " << failures.front();
}

}  // namespace
}  // namespace muster::datastore
