#include "trainer/clip_kernel_plan.h"

#include <cstring>

#include "common/error.h"

namespace muster::trainer {
namespace {

// Visits the parts of the packed tables in order with their places.
template <typename Visit>
void visit_parts(const ClipKernelPlan& plan, const Visit& visit) {
  size_t begin = 0;
  const auto part = [&](const void* data, size_t bytes) {
    visit(begin, data, bytes);
    begin += (bytes + kTableAlignment - 1) / kTableAlignment * kTableAlignment;
  };
  for (const ResamplingTables* tables : {&plan.colour, &plan.flow}) {
    for (const TapTable* table : {&tables->rows, &tables->columns}) {
      part(table->place.data(), table->place.size() * sizeof(int32_t));
      part(table->weight.data(), table->weight.size() * sizeof(float));
      part(table->fixed.data(), table->fixed.size() * sizeof(int32_t));
    }
  }
}

void require_inside(const datastore::ClipWindow& window, const ClipKernelFormat& format) {
  MUSTER_REQUIRE(window.crop_y, >=, 0);
  MUSTER_REQUIRE(window.crop_x, >=, 0);
  MUSTER_REQUIRE(window.crop_y + format.crop_height, <=, format.resize_height);
  MUSTER_REQUIRE(window.crop_x + format.crop_width, <=, format.resize_width);
}

}  // namespace

ClipKernelPlan clip_kernel_plan(const datastore::FrameGeometry& geometry, int frames,
                                const datastore::ClipFormat& format) {
  ClipKernelPlan plan;
  ClipKernelFormat& to = plan.format;
  to.frames = frames;
  to.height = geometry.height;
  to.width = geometry.width;
  to.resize_height = format.resize_height;
  to.resize_width = format.resize_width;
  to.crop_height = format.crop_height;
  to.crop_width = format.crop_width;
  to.channels = format.channels();
  MUSTER_REQUIRE(to.channels, <=, 5);
  to.colour = format.colour;
  to.bytes = format.range == datastore::ValueRange::kBytes;
  to.per_frame = format.normalisation == datastore::Normalisation::kPerFrame;
  to.divide_by_root_of_deviation = format.divide_by_root_of_deviation;
  to.subtract_window_mean = format.subtract_window_mean;
  to.vertical_flow_first = format.vertical_flow_first;
  for (size_t i = 0; i < 3; ++i) {
    to.mean[i] = format.mean[i];
    to.deviation[i] = format.deviation[i];
  }
  plan.colour = colour_resampling(geometry.height, geometry.width, format.resize_height,
                                  format.resize_width, format.interpolation);
  to.resampling.colour = plan.colour.kind;
  if (!format.flow) return plan;
  MUSTER_REQUIRE(geometry.flow_height, >, 0);
  to.flow_height = geometry.flow_height;
  to.flow_width = geometry.flow_width;
  plan.flow = flow_resampling(geometry.flow_height, geometry.flow_width, format.resize_height,
                              format.resize_width, format.interpolation);
  to.resampling.flow = plan.flow.kind;
  return plan;
}

std::vector<uint8_t> packed_tables(const ClipKernelPlan& plan) {
  std::vector<uint8_t> packed;
  visit_parts(plan, [&](size_t begin, const void* data, size_t bytes) {
    packed.resize(begin + bytes);
    if (bytes > 0) std::memcpy(packed.data() + begin, data, bytes);
  });
  return packed;
}

ClipKernelFormat format_with_tables(const ClipKernelPlan& plan, const uint8_t* tables) {
  std::vector<const uint8_t*> parts;
  visit_parts(plan, [&](size_t begin, const void*, size_t) { parts.push_back(tables + begin); });
  size_t next = 0;
  const auto taps = [&](const TapTable& table) {
    AxisTaps axis;
    axis.place = reinterpret_cast<const int32_t*>(parts[next++]);
    axis.weight = reinterpret_cast<const float*>(parts[next++]);
    axis.fixed = reinterpret_cast<const int32_t*>(parts[next++]);
    axis.taps = table.taps;
    return axis;
  };
  ClipKernelFormat format = plan.format;
  format.resampling.colour_rows = taps(plan.colour.rows);
  format.resampling.colour_columns = taps(plan.colour.columns);
  format.resampling.flow_rows = taps(plan.flow.rows);
  format.resampling.flow_columns = taps(plan.flow.columns);
  return format;
}

ClipDecisions clip_decisions(const datastore::LoadedBatch& batch, const ClipKernelFormat& format) {
  MUSTER_REQUIRE(batch.frames, ==, format.frames);
  ClipDecisions decisions;
  bool boxed = false;
  for (int64_t clip = batch.share.begin; clip < batch.share.end; ++clip) {
    const datastore::ClipTransform& transform = batch.global[static_cast<size_t>(clip)].transform;
    require_inside(transform.window(), format);
    decisions.windows.push_back(transform.window());
    if (clip == batch.share.begin) boxed = !transform.boxes.empty();
    MUSTER_REQUIRE(transform.boxes.size(), ==,
                   boxed ? static_cast<size_t>(format.frames) : size_t{0});
    for (const datastore::PixelBox& box : transform.boxes) {
      MUSTER_REQUIRE(box.y + box.height, <=, format.height);
      MUSTER_REQUIRE(box.x + box.width, <=, format.width);
      decisions.boxes.push_back(box);
    }
  }
  return decisions;
}

}  // namespace muster::trainer
