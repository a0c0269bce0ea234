// The kernel against its twin, bit by bit; ./check holds the twin against the datastore's
// transform.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "common/keyed_random.h"
#include "tests/gpu/gpu_world.h"
#include "trainer/clip_kernel_plan.h"
#include "trainer/clip_transform_cuda.h"
#include "trainer/clip_transform_twin.h"
#include "trainer/cuda_stream.h"
#include "trainer/packed_batch.h"

namespace muster::trainer {
namespace {

using common::KeyedRandom;

struct Case {
  datastore::FrameGeometry geometry;
  datastore::ClipFormat format;
  datastore::LoadedBatch batch;
};

int drawn(KeyedRandom& random, int least, int most) {
  return least + static_cast<int>(random.below(static_cast<uint64_t>(most - least + 1)));
}

void fill_with_noise(KeyedRandom& random, uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(random.below(255) + 1);
}

void draw_clips(KeyedRandom& random, int clips, int frames, bool boxes, Case& drawn_case) {
  auto& [geometry, format, batch] = drawn_case;
  batch.global.resize(static_cast<size_t>(clips));
  batch.share = {0, clips};
  batch.frames = frames;
  batch.height = geometry.height, batch.width = geometry.width;
  batch.flow_height = geometry.flow_height, batch.flow_width = geometry.flow_width;
  const auto pictures = static_cast<size_t>(clips * frames);
  batch.rgb.resize(pictures * static_cast<size_t>(batch.height * batch.width * 3));
  batch.flow.resize(
      format.flow ? pictures * static_cast<size_t>(batch.flow_height * batch.flow_width * 2) : 0);
  fill_with_noise(random, batch.rgb.data(), batch.rgb.size());
  fill_with_noise(random, reinterpret_cast<uint8_t*>(batch.flow.data()), batch.flow.size());
  for (datastore::ClipRequest& clip : batch.global) {
    clip.transform.crop_y = drawn(random, 0, format.resize_height - format.crop_height);
    clip.transform.crop_x = drawn(random, 0, format.resize_width - format.crop_width);
    clip.transform.flip = random.chance(0.5);
    for (int frame = 0; boxes && frame < frames; ++frame) {
      const int height = drawn(random, 0, batch.height), width = drawn(random, 0, batch.width);
      clip.transform.boxes.push_back({drawn(random, 0, batch.height - height),
                                      drawn(random, 0, batch.width - width), height, width});
    }
  }
}

Case drawn_case(uint64_t seed) {
  KeyedRandom random(seed);
  Case result;
  datastore::ClipFormat& format = result.format;
  format.resize_height = drawn(random, 2, 70), format.resize_width = drawn(random, 2, 50);
  format.crop_height = drawn(random, 1, format.resize_height);
  format.crop_width = drawn(random, 1, format.resize_width);
  format.flow = random.chance(0.6);
  format.interpolation = static_cast<datastore::Interpolation>(random.below(3));
  format.colour = static_cast<datastore::ColourSpace>(random.below(3));
  format.range = static_cast<datastore::ValueRange>(random.below(2));
  format.normalisation = static_cast<datastore::Normalisation>(random.below(2));
  format.mean = {0.4f, 0.5f, 0.6f};
  format.deviation = {0.3f, 0.7f, 1.1f};
  format.subtract_window_mean = random.chance(0.5);
  format.divide_by_root_of_deviation = random.chance(0.3);
  format.vertical_flow_first = random.chance(0.3);
  const auto side = [&](int resized) {
    return random.chance(0.5) ? resized * drawn(random, 1, 3) : drawn(random, 1, 150);
  };
  result.geometry.height = side(format.resize_height);
  result.geometry.width = side(format.resize_width);
  result.geometry.flow_height = format.flow ? side(format.resize_height) : 0;
  result.geometry.flow_width = format.flow ? side(format.resize_width) : 0;
  draw_clips(random, drawn(random, 0, 3), drawn(random, 1, 3), random.chance(0.5), result);
  return result;
}

// A packed batch on both sides.
struct Prepared {
  ClipKernelPlan plan;
  PackedLayout layout;
  at::Tensor tables, bytes, values;  // on the host
  explicit Prepared(const Case& of)
      : plan(clip_kernel_plan(of.geometry, of.batch.frames, of.format)) {
    const ClipDecisions decisions = clip_decisions(of.batch, plan.format);
    layout = packed_layout(of.batch, decisions);
    const std::vector<uint8_t> packed = packed_tables(plan);
    tables = at::from_blob(const_cast<uint8_t*>(packed.data()),
                           {static_cast<int64_t>(packed.size())}, at::kByte)
                 .clone();
    bytes = at::empty({static_cast<int64_t>(layout.bytes)}, at::TensorOptions(at::kByte));
    pack_batch(of.batch, of.format, decisions, layout, bytes.data_ptr<uint8_t>());
    values = at::full({of.batch.share.end, of.batch.frames, of.format.channels(),
                       of.format.crop_height, of.format.crop_width},
                      99.0f, at::TensorOptions(at::kFloat));
  }
};

at::Tensor by_twin(const Prepared& prepared) {
  const at::Tensor values = prepared.values.clone();
  transform_clips_as_a_gpu(format_with_tables(prepared.plan, prepared.tables.data_ptr<uint8_t>()),
                           batch_at(prepared.bytes.data_ptr<uint8_t>(), prepared.layout,
                                    values.size(0), values.data_ptr<float>()));
  return values;
}

at::Tensor by_kernel(const Prepared& prepared, const at::Tensor& tables, const at::Tensor& bytes) {
  const at::Tensor values = at::full_like(prepared.values.to(gpu_of_this_rank()), 99.0f);
  transform_clips(format_with_tables(prepared.plan, tables.data_ptr<uint8_t>()),
                  batch_at(bytes.data_ptr<uint8_t>(), prepared.layout, values.size(0),
                           values.data_ptr<float>()),
                  current_cuda_stream());
  return values;
}

TEST(ClipTransformGpuTest, TheKernelHasItsTwinsBits) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Prepared prepared(drawn_case(seed));
    const at::Tensor tables = prepared.tables.to(gpu_of_this_rank());
    const at::Tensor bytes = prepared.bytes.to(gpu_of_this_rank());
    const at::Tensor values = by_kernel(prepared, tables, bytes).cpu();
    ASSERT_TRUE(values.equal(by_twin(prepared))) << "seed " << seed;
  }
}

// Prints; nothing is asserted of time.
TEST(ClipTransformGpuTest, TellsItsSpeed) {
  if (gpu_world().rank() != 0) return;
  KeyedRandom random(1);
  Case mars;
  mars.geometry.height = 256, mars.geometry.width = 128;
  mars.format.flow = false;
  mars.format.resize_height = 288, mars.format.resize_width = 144;
  mars.format.crop_height = 256, mars.format.crop_width = 128;
  mars.format.colour = datastore::ColourSpace::kRgb;
  mars.format.normalisation = datastore::Normalisation::kFixed;
  mars.format.subtract_window_mean = false;
  draw_clips(random, 32, 8, false, mars);
  const Prepared prepared(mars);
  const at::Tensor tables = prepared.tables.to(gpu_of_this_rank());
  const at::Tensor bytes = prepared.bytes.to(gpu_of_this_rank());
  by_kernel(prepared, tables, bytes).cpu();
  constexpr int kRounds = 20;
  const auto start = std::chrono::steady_clock::now();
  at::Tensor last;
  for (int i = 0; i < kRounds; ++i) last = by_kernel(prepared, tables, bytes);
  last.cpu();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kRounds;
  std::printf("clip transform: 256 frames of 256x128 to windows of 288x144 in %.3f ms\n",
              seconds * 1e3);
}

}  // namespace
}  // namespace muster::trainer
