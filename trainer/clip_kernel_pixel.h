// The arithmetic of one pixel of the clip transform of GPUs; also compiled for the processor.
// Without fused multiply-adds (nvcc: --fmad=false) both give the same bits.
#pragma once

#include <cmath>

#include "trainer/clip_kernel_types.h"
#include "trainer/host_device.h"

namespace muster::trainer {

constexpr int kMostChannels = 5;

// One stored byte, 0 inside the frame's box. `frame` counts through all clips.
MUSTER_HOST_DEVICE inline int stored_byte(const ClipKernelFormat& format,
                                          const ClipKernelBatch& batch, int64_t frame, int y, int x,
                                          int channel) {
  if (batch.boxes != nullptr) {
    const datastore::PixelBox& box = batch.boxes[frame];
    if (y >= box.y && y < box.y + box.height && x >= box.x && x < box.x + box.width) return 0;
  }
  return batch.rgb[((frame * format.height + y) * format.width + x) * 3 + channel];
}

MUSTER_HOST_DEVICE inline int as_byte(int value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

// The byte of one colour at place (y, x) of the resized frame.
MUSTER_HOST_DEVICE inline int resized_byte(const ClipKernelFormat& format,
                                           const ClipKernelBatch& batch, int64_t frame, int y,
                                           int x, int channel) {
  const FrameResampling& resampling = format.resampling;
  if (resampling.colour == Resampling::kSame) {
    return stored_byte(format, batch, frame, y, x, channel);
  }
  const AxisTaps &rows = resampling.colour_rows, &columns = resampling.colour_columns;
  const int row = y * rows.taps, column = x * columns.taps;
  float weighted = 0;
  int64_t whole = 0;
  for (int j = 0; j < rows.taps; ++j) {
    float weighted_row = 0;
    int whole_row = 0;
    for (int i = 0; i < columns.taps; ++i) {
      const int byte = stored_byte(format, batch, frame, rows.place[row + j],
                                   columns.place[column + i], channel);
      if (resampling.colour == Resampling::kWeighted) {
        weighted_row += static_cast<float>(byte) * columns.weight[column + i];
      } else {
        whole_row += byte * columns.fixed[column + i];
      }
    }
    weighted += rows.weight[row + j] * weighted_row;
    if (resampling.colour == Resampling::kFixedLinear) {
      whole += (rows.fixed[row + j] * (whole_row >> 4)) >> 16;
    } else {
      whole += static_cast<int64_t>(rows.fixed[row + j]) * whole_row;
    }
  }
  switch (resampling.colour) {
    case Resampling::kFixedLinear:
      return as_byte(static_cast<int>((whole + 2) >> 2));
    case Resampling::kFixedCubic:
      return as_byte(static_cast<int>(rint(static_cast<double>(whole) / (1 << 22))));
    case Resampling::kFourPixels:
      return static_cast<int>((whole + 2) >> 2);
    case Resampling::kWholeCells:
      weighted = static_cast<float>(whole) * (1.0f / static_cast<float>(rows.taps * columns.taps));
      break;
    default:
      break;
  }
  return as_byte(static_cast<int>(rintf(weighted)));
}

// Pixels per frame; component 0 is horizontal.
MUSTER_HOST_DEVICE inline float resized_flow(const ClipKernelFormat& format,
                                             const ClipKernelBatch& batch, int64_t frame, int y,
                                             int x, int component) {
  constexpr float kPixelsPerCount = 20.0f / 127.0f;
  const int8_t* counts = batch.flow + frame * format.flow_height * format.flow_width * 2;
  const FrameResampling& resampling = format.resampling;
  if (resampling.flow == Resampling::kSame) {
    return static_cast<float>(counts[(y * format.flow_width + x) * 2 + component]) *
           kPixelsPerCount;
  }
  const AxisTaps &rows = resampling.flow_rows, &columns = resampling.flow_columns;
  const int row = y * rows.taps, column = x * columns.taps;
  float sum = 0;
  for (int j = 0; j < rows.taps; ++j) {
    const int8_t* line = counts + rows.place[row + j] * format.flow_width * 2 + component;
    float row_sum = 0;
    for (int i = 0; i < columns.taps; ++i) {
      const float pixels =
          static_cast<float>(line[columns.place[column + i] * 2]) * kPixelsPerCount;
      row_sum += pixels * columns.weight[column + i];
    }
    sum += rows.weight[row + j] * row_sum;
  }
  if (resampling.flow == Resampling::kWholeCells) {
    return sum * (1.0f / static_cast<float>(rows.taps * columns.taps));
  }
  return sum;
}

// All channels of one pixel of the resized frame, before normalisation.
MUSTER_HOST_DEVICE inline void fill_pixel(const ClipKernelFormat& format,
                                          const ClipKernelBatch& batch, int64_t frame, int y, int x,
                                          float* pixel) {
  float rgb[3];
  for (int channel = 0; channel < 3; ++channel) {
    rgb[channel] = static_cast<float>(resized_byte(format, batch, frame, y, x, channel));
  }
  const float divisor = format.bytes ? 1.0f : 255.0f;
  if (format.colour == datastore::ColourSpace::kYuv) {
    // Torch7's.
    pixel[0] = (0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]) / divisor;
    pixel[1] = (-0.14713f * rgb[0] + -0.28886f * rgb[1] + 0.436f * rgb[2]) / divisor;
    pixel[2] = (0.615f * rgb[0] + -0.51499f * rgb[1] + -0.10001f * rgb[2]) / divisor;
  } else {
    const int first = format.colour == datastore::ColourSpace::kRgb ? 0 : 2;
    pixel[0] = rgb[first] / divisor;
    pixel[1] = rgb[1] / divisor;
    pixel[2] = rgb[2 - first] / divisor;
  }
  if (format.channels == 3) return;
  const int first = format.vertical_flow_first ? 1 : 0;
  pixel[3] = resized_flow(format, batch, frame, y, x, first);
  pixel[4] = resized_flow(format, batch, frame, y, x, 1 - first);
}

}  // namespace muster::trainer
