// What the clip transform of GPUs reads and writes: plain pointers and numbers, the same for the
// kernel (trainer/clip_transform_cuda.cu) and its twin on the processor.
#pragma once

#include <cstdint>

#include "datastore/clip_format.h"

namespace muster::trainer {

// What one resized coordinate is made of: `taps` stored coordinates each, [resized, taps]. Where
// fewer count, the rest weigh 0.
struct AxisTaps {
  const int32_t* place = nullptr;  // inside the stored frame
  const float* weight = nullptr;   // sum 1; 1 each with kWholeCells
  const int32_t* fixed = nullptr;  // the weights in 2048ths, rounded
  int32_t taps = 1;
};

// The arithmetic of OpenCV's resize, whose results the datastore's transform has.
enum class Resampling : int32_t {
  kSame,         // stored at the resized size
  kWholeCells,   // the mean over cells of whole pixels
  kFourPixels,   // likewise of 2 x 2 bytes, halves rounded up
  kWeighted,     // rows of columns, weighted, in float
  kFixedLinear,  // bytes in 2048ths, with the low four bits dropped between columns and rows
  kFixedCubic,   // bytes in 2048ths
};

struct FrameResampling {
  Resampling colour = Resampling::kSame, flow = Resampling::kSame;
  AxisTaps colour_rows, colour_columns, flow_rows, flow_columns;
};

// As datastore::ClipFormat, with what the store says.
struct ClipKernelFormat {
  int32_t frames = 0;  // of a clip
  int32_t height = 0, width = 0, flow_height = 0, flow_width = 0;
  int32_t resize_height = 0, resize_width = 0, crop_height = 0, crop_width = 0;
  int32_t channels = 3;  // 5 with flow
  datastore::ColourSpace colour = datastore::ColourSpace::kRgb;
  bool bytes = false;      // colours from 0 to 255
  bool per_frame = false;  // normalised by each frame's own mean and deviation
  bool divide_by_root_of_deviation = false;
  bool subtract_window_mean = false;
  bool vertical_flow_first = false;
  float mean[3] = {0, 0, 0}, deviation[3] = {1, 1, 1};
  FrameResampling resampling;
};

// One batch in the memory of whoever computes.
struct ClipKernelBatch {
  int64_t clips = 0;
  const uint8_t* rgb = nullptr;  // [clips, frames, height, width, 3]
  const int8_t* flow = nullptr;  // [clips, frames, flow_height, flow_width, 2], or none
  const datastore::ClipWindow* windows = nullptr;  // [clips]
  const datastore::PixelBox* boxes = nullptr;      // [clips, frames], or none
  float* values = nullptr;  // out: [clips, frames, channels, crop_height, crop_width]
};

}  // namespace muster::trainer
