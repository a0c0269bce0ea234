#include "trainer/clip_transform_twin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/clip_transform.h"
#include "trainer/clip_kernel_plan.h"
#include "trainer/packed_batch.h"

namespace muster::trainer {
namespace {

using common::KeyedRandom;
using datastore::ClipFormat;
using datastore::Interpolation;

int drawn(KeyedRandom& random, int least, int most) {
  return least + static_cast<int>(random.below(static_cast<uint64_t>(most - least + 1)));
}

struct Geometry {
  int height, width, flow_height, flow_width;
};

// Noise, with slopes that make halves rare and common at once.
datastore::LoadedBatch noisy_batch(KeyedRandom& random, const Geometry& geometry, bool flow,
                                   int clips, int frames) {
  datastore::LoadedBatch batch;
  batch.global.resize(static_cast<size_t>(clips) + 2);
  batch.share = {1, clips + 1};  // of a larger batch
  batch.frames = frames;
  batch.height = geometry.height, batch.width = geometry.width;
  const auto pictures = static_cast<size_t>(clips * frames);
  batch.rgb.resize(pictures * static_cast<size_t>(geometry.height * geometry.width * 3));
  for (size_t i = 0; i < batch.rgb.size(); ++i) {
    batch.rgb.data()[i] = static_cast<uint8_t>(random.below(256));
  }
  if (!flow) return batch;
  batch.flow_height = geometry.flow_height, batch.flow_width = geometry.flow_width;
  batch.flow.resize(pictures * static_cast<size_t>(geometry.flow_height * geometry.flow_width * 2));
  for (size_t i = 0; i < batch.flow.size(); ++i) {
    batch.flow.data()[i] = static_cast<int8_t>(drawn(random, -127, 127));
  }
  return batch;
}

void draw_transforms(KeyedRandom& random, const ClipFormat& format, bool boxes,
                     datastore::LoadedBatch& batch) {
  for (int64_t i = batch.share.begin; i < batch.share.end; ++i) {
    datastore::ClipTransform& transform = batch.global[static_cast<size_t>(i)].transform;
    transform.crop_y = drawn(random, 0, format.resize_height - format.crop_height);
    transform.crop_x = drawn(random, 0, format.resize_width - format.crop_width);
    transform.flip = random.chance(0.5);
    for (int frame = 0; boxes && frame < batch.frames; ++frame) {
      datastore::PixelBox box;
      box.height = drawn(random, 0, batch.height);
      box.width = drawn(random, 0, batch.width);
      box.y = drawn(random, 0, batch.height - box.height);
      box.x = drawn(random, 0, batch.width - box.width);
      transform.boxes.push_back(box);
    }
  }
}

std::vector<float> by_datastore(const datastore::LoadedBatch& batch, const ClipFormat& format) {
  const size_t clip_values = static_cast<size_t>(batch.frames * format.channels() *
                                                 format.crop_height * format.crop_width);
  const auto clips = static_cast<size_t>(batch.share.end - batch.share.begin);
  std::vector<float> values(clips * clip_values);
  for (size_t i = 0; i < clips; ++i) {
    apply_clip_transform(batch.clip(static_cast<int64_t>(i)), format,
                         batch.global[i + static_cast<size_t>(batch.share.begin)].transform,
                         values.data() + i * clip_values);
  }
  return values;
}

std::vector<float> by_twin(const datastore::LoadedBatch& batch, const ClipFormat& format) {
  datastore::FrameGeometry geometry;
  geometry.height = batch.height, geometry.width = batch.width;
  geometry.flow_height = batch.flow_height, geometry.flow_width = batch.flow_width;
  const ClipKernelPlan plan = clip_kernel_plan(geometry, batch.frames, format);
  const std::vector<uint8_t> tables = packed_tables(plan);
  const ClipKernelFormat kernel_format = format_with_tables(plan, tables.data());
  const ClipDecisions decisions = clip_decisions(batch, kernel_format);
  const int64_t clips = batch.share.end - batch.share.begin;
  std::vector<float> values(static_cast<size_t>(clips * batch.frames * format.channels() *
                                                format.crop_height * format.crop_width),
                            99.0f);
  const PackedLayout layout = packed_layout(batch, decisions);
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[layout.bytes + 1]);
  pack_batch(batch, format, decisions, layout, memory.get());
  transform_clips_as_a_gpu(kernel_format, batch_at(memory.get(), layout, clips, values.data()));
  return values;
}

// Colours come out as the resized frames' bytes.
ClipFormat bytes_of(int height, int width, Interpolation interpolation) {
  ClipFormat format{height, width, height, width, false};
  format.interpolation = interpolation;
  format.colour = datastore::ColourSpace::kRgb;
  format.range = datastore::ValueRange::kBytes;
  format.normalisation = datastore::Normalisation::kFixed;
  format.subtract_window_mean = false;
  return format;
}

const std::vector<Interpolation> kInterpolations = {Interpolation::kArea, Interpolation::kBilinear,
                                                    Interpolation::kBicubic};

// Stored and wanted sizes: equal, halves, whole cells, one side of them, neither, growing, and one
// side growing while the other shrinks.
const std::vector<std::array<int, 4>> kSizes = {
    {16, 12, 16, 12}, {32, 24, 16, 12},  {48, 36, 16, 12}, {32, 36, 16, 12}, {16, 24, 16, 12},
    {33, 25, 16, 12}, {128, 64, 64, 48}, {23, 17, 16, 12}, {8, 6, 16, 12},   {9, 7, 16, 12},
    {40, 7, 16, 12},  {9, 31, 16, 12},   {16, 7, 16, 12},  {1, 1, 5, 4},     {37, 29, 1, 1}};

TEST(ClipTransformTwinTest, ResizedBytesAreTheDatastores) {
  for (const Interpolation interpolation : kInterpolations) {
    for (const auto& [height, width, to_height, to_width] : kSizes) {
      KeyedRandom random(common::combined_key({static_cast<uint64_t>(height * 100 + width)}));
      const ClipFormat format = bytes_of(to_height, to_width, interpolation);
      const auto batch = noisy_batch(random, {height, width, 0, 0}, false, 2, 5);
      const std::vector<float> expected = by_datastore(batch, format);
      const std::vector<float> values = by_twin(batch, format);
      ASSERT_EQ(values.size(), expected.size());
      size_t off = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        // OpenCV's bicubic rounds halves to even in its vector code and up in its scalar code,
        // which has the last columns.
        const float bound = interpolation == Interpolation::kBicubic ? 1 : 0;
        ASSERT_LE(std::abs(values[i] - expected[i]), bound)
            << height << "x" << width << " to " << to_height << "x" << to_width << " by "
            << static_cast<int>(interpolation) << " at " << i << ": " << values[i] << " instead of "
            << expected[i];
        off += values[i] != expected[i] ? 1 : 0;
      }
      EXPECT_LE(off, 1 + values.size() / 200);
    }
  }
}

TEST(ClipTransformTwinTest, ResizedFlowIsTheDatastores) {
  for (const Interpolation interpolation : kInterpolations) {
    for (const auto& [height, width, to_height, to_width] : kSizes) {
      KeyedRandom random(common::combined_key({static_cast<uint64_t>(height * 100 + width), 1}));
      ClipFormat format = bytes_of(to_height, to_width, interpolation);
      format.flow = true;
      const auto batch = noisy_batch(random, {to_height, to_width, height, width}, true, 1, 3);
      const std::vector<float> expected = by_datastore(batch, format);
      const std::vector<float> values = by_twin(batch, format);
      ASSERT_EQ(values.size(), expected.size());
      for (size_t i = 0; i < values.size(); ++i) {
        // Of at most 20 pixels, sums in another order and with other roundings of the weights.
        ASSERT_NEAR(values[i], expected[i], 2e-5)
            << height << "x" << width << " by " << static_cast<int>(interpolation) << " at " << i;
      }
    }
  }
}

ClipFormat drawn_format(KeyedRandom& random) {
  ClipFormat format;
  format.resize_height = drawn(random, 2, 48), format.resize_width = drawn(random, 2, 40);
  format.crop_height = drawn(random, 1, format.resize_height);
  format.crop_width = drawn(random, 1, format.resize_width);
  format.flow = random.chance(0.6);
  format.interpolation = random.chance(0.5) ? Interpolation::kArea : Interpolation::kBilinear;
  format.colour = static_cast<datastore::ColourSpace>(random.below(3));
  format.range = random.chance(0.5) ? datastore::ValueRange::kUnit : datastore::ValueRange::kBytes;
  if (random.chance(0.4)) {
    format.normalisation = datastore::Normalisation::kFixed;
    for (size_t i = 0; i < 3; ++i) {
      format.mean[i] = static_cast<float>(random.uniform(-1, 120));
      format.deviation[i] = static_cast<float>(random.uniform(0.2, 60));
    }
  }
  format.subtract_window_mean = random.chance(0.5);
  format.divide_by_root_of_deviation = random.chance(0.3);
  format.vertical_flow_first = random.chance(0.3);
  return format;
}

TEST(ClipTransformTwinTest, DrawnClipsAreTheDatastores) {
  for (uint64_t round = 0; round < 300; ++round) {
    KeyedRandom random(round);
    const ClipFormat format = drawn_format(random);
    const auto side = [&](int resized) {
      return random.chance(0.5) ? resized * drawn(random, 1, 3) : drawn(random, 1, 50);
    };
    const Geometry geometry{side(format.resize_height), side(format.resize_width),
                            side(format.resize_height), side(format.resize_width)};
    auto batch =
        noisy_batch(random, geometry, format.flow, drawn(random, 0, 3), drawn(random, 1, 3));
    draw_transforms(random, format, random.chance(0.5), batch);
    const std::vector<float> expected = by_datastore(batch, format);
    const std::vector<float> values = by_twin(batch, format);
    ASSERT_EQ(values.size(), expected.size());
    float largest = 1;
    for (const float value : expected) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(values[i], expected[i], 2e-6 * largest) << "round " << round << " at " << i;
    }
  }
}

TEST(ClipTransformTwinTest, AFixedNormalisationHasTheDatastoresBits) {
  KeyedRandom random(5);
  ClipFormat format = drawn_format(random);
  format.normalisation = datastore::Normalisation::kFixed;
  format.subtract_window_mean = false;
  format.flow = false;
  auto batch = noisy_batch(random, {31, 45, 0, 0}, false, 3, 2);
  draw_transforms(random, format, true, batch);
  EXPECT_EQ(by_twin(batch, format), by_datastore(batch, format));
}

TEST(ClipTransformTwinTest, AConstantClipBecomesZeroEverywhere) {
  KeyedRandom random(6);
  ClipFormat format;
  auto batch = noisy_batch(random, {64, 48, 64, 48}, true, 1, 2);
  std::fill_n(batch.rgb.data(), batch.rgb.size(), uint8_t{77});
  std::fill_n(batch.flow.data(), batch.flow.size(), int8_t{-45});
  for (const float value : by_twin(batch, format)) ASSERT_EQ(value, 0.0f);
}

TEST(PackedBatchTest, LabelsAndJointsOfTheWindowTravelAlong) {
  KeyedRandom random(8);
  ClipFormat format;
  format.flow = false;
  format.joints = true;
  auto batch = noisy_batch(random, {70, 50, 0, 0}, false, 2, 3);
  draw_transforms(random, format, false, batch);
  for (size_t i = 0; i < batch.global.size(); ++i) {
    batch.global[i].label = static_cast<int32_t>(40 + i);
  }
  for (int i = 0; i < 2 * 3 * datastore::kJointCount; ++i) {
    batch.joints.push_back({static_cast<float>(random.uniform(0, 50)),
                            static_cast<float>(random.uniform(0, 70)), 0.5f});
  }
  const ClipDecisions decisions{{{}, {}}, {}};
  const PackedLayout layout = packed_layout(batch, decisions);
  for (const size_t part : {layout.windows, layout.labels, layout.joints, layout.rgb}) {
    EXPECT_EQ(part % 16, 0u);
  }
  std::vector<uint8_t> memory(layout.bytes);
  pack_batch(batch, format, decisions, layout, memory.data());
  int64_t labels[2];
  std::memcpy(labels, memory.data() + layout.labels, sizeof(labels));
  EXPECT_EQ(labels[0], 41);
  EXPECT_EQ(labels[1], 42);
  std::vector<datastore::Joint> expected(batch.joints.size()), joints(batch.joints.size());
  for (size_t clip = 0; clip < 2; ++clip) {
    apply_joint_transform(batch.clip(static_cast<int64_t>(clip)), format,
                          batch.global[clip + 1].transform,
                          expected.data() + clip * 3 * datastore::kJointCount);
  }
  std::memcpy(joints.data(), memory.data() + layout.joints,
              joints.size() * sizeof(datastore::Joint));
  for (size_t i = 0; i < joints.size(); ++i) {
    EXPECT_EQ(joints[i].x, expected[i].x);
    EXPECT_EQ(joints[i].y, expected[i].y);
    EXPECT_EQ(joints[i].confidence, expected[i].confidence);
  }
}

TEST(ClipTransformTwinTest, WindowsAndBoxesOutsideTheFrameBreakARequirement) {
  KeyedRandom random(7);
  const ClipFormat format;
  auto batch = noisy_batch(random, {64, 48, 64, 48}, true, 1, 2);
  datastore::ClipTransform& transform = batch.global[1].transform;
  transform.crop_y = 9;
  EXPECT_THROW(by_twin(batch, format), common::RequirementError);
  transform.crop_y = -1;
  EXPECT_THROW(by_twin(batch, format), common::RequirementError);
  transform.crop_y = 8;
  transform.boxes = {{0, 0, 1, 1}};  // of two frames
  EXPECT_THROW(by_twin(batch, format), common::RequirementError);
  transform.boxes = {{0, 0, 1, 1}, {60, 0, 5, 1}};
  EXPECT_THROW(by_twin(batch, format), common::RequirementError);
  transform.boxes = {{0, 0, 1, 1}, {60, 0, 4, 1}};
  EXPECT_EQ(by_twin(batch, format).size(), 2u * 5 * 56 * 40);
}

}  // namespace
}  // namespace muster::trainer
