// One frame of the clip transform of GPUs as a block of threads does it: phases with a barrier
// between them. The kernel runs each phase once per thread, its twin in a loop over threads.
//
//   per frame normalised:  1 sums, reduce; 2 squares, reduce
//   always:                3 write the window
//   window mean taken off: reduce; 4 take it off
#pragma once

#include "trainer/clip_kernel_pixel.h"

namespace muster::trainer {

constexpr int kKernelThreads = 256;  // a power of two; the order of sums depends on it

// What the threads of a block share, [channels, threads] first: partial sums.
struct FrameSums {
  double partial[kMostChannels][kKernelThreads];
  double mean[kMostChannels], scale[kMostChannels];
};

// 1 and 2: with `squares`, of the differences from the means.
MUSTER_HOST_DEVICE inline void sum_resized_frame(const ClipKernelFormat& format,
                                                 const ClipKernelBatch& batch, int64_t frame,
                                                 bool squares, int thread, FrameSums& sums) {
  double own[kMostChannels] = {0, 0, 0, 0, 0};
  float pixel[kMostChannels];
  const int pixels = format.resize_height * format.resize_width;
  for (int i = thread; i < pixels; i += kKernelThreads) {
    fill_pixel(format, batch, frame, i / format.resize_width, i % format.resize_width, pixel);
    for (int channel = 0; channel < format.channels; ++channel) {
      const double value = squares ? pixel[channel] - sums.mean[channel] : pixel[channel];
      own[channel] += squares ? value * value : value;
    }
  }
  for (int channel = 0; channel < format.channels; ++channel) {
    sums.partial[channel][thread] = own[channel];
  }
}

// One round of the tree that adds partial sums; strides kKernelThreads / 2, ..., 2, 1.
MUSTER_HOST_DEVICE inline void add_partial_sums(int channels, int stride, int thread,
                                                FrameSums& sums) {
  if (thread >= stride) return;
  for (int channel = 0; channel < channels; ++channel) {
    sums.partial[channel][thread] += sums.partial[channel][thread + stride];
  }
}

// After 1 and 2, by the threads below `channels`. A channel without variance becomes 0.
MUSTER_HOST_DEVICE inline void take_mean(const ClipKernelFormat& format, int channel,
                                         FrameSums& sums) {
  sums.mean[channel] =
      sums.partial[channel][0] / static_cast<double>(format.resize_height * format.resize_width);
}
MUSTER_HOST_DEVICE inline void take_scale(const ClipKernelFormat& format, int channel,
                                          FrameSums& sums) {
  constexpr double kNoVariance = 1e-7;
  const double deviation = sqrt(sums.partial[channel][0] /
                                static_cast<double>(format.resize_height * format.resize_width));
  const double divisor = format.divide_by_root_of_deviation ? sqrt(deviation) : deviation;
  sums.scale[channel] = deviation > kNoVariance ? 1.0 / divisor : 0.0;
}

MUSTER_HOST_DEVICE inline float normalised(const ClipKernelFormat& format, int channel, float value,
                                           const FrameSums& sums) {
  if (format.per_frame) {
    return static_cast<float>((value - sums.mean[channel]) * sums.scale[channel]);
  }
  if (channel < 3) return (value - format.mean[channel]) / format.deviation[channel];
  return value;
}

// 3: leaves the sum over all channels in partial[0].
MUSTER_HOST_DEVICE inline void write_window(const ClipKernelFormat& format,
                                            const ClipKernelBatch& batch, int64_t frame, int thread,
                                            FrameSums& sums) {
  const datastore::ClipWindow& window = batch.windows[frame / format.frames];
  const int pixels = format.crop_height * format.crop_width;
  const int horizontal_flow = format.vertical_flow_first ? 4 : 3;
  float* values = batch.values + frame * format.channels * pixels;
  double sum = 0;
  float pixel[kMostChannels];
  for (int i = thread; i < pixels; i += kKernelThreads) {
    const int x = i % format.crop_width;
    fill_pixel(format, batch, frame, window.crop_y + i / format.crop_width,
               window.crop_x + (window.flip ? format.crop_width - 1 - x : x), pixel);
    for (int channel = 0; channel < format.channels; ++channel) {
      const float value = normalised(format, channel, pixel[channel], sums);
      const bool mirrored_flow = window.flip && channel == horizontal_flow;
      values[channel * pixels + i] = mirrored_flow ? -value : value;
      sum += mirrored_flow ? -value : value;
    }
  }
  sums.partial[0][thread] = sum;
}

// 4
MUSTER_HOST_DEVICE inline void subtract_window_mean(const ClipKernelFormat& format,
                                                    const ClipKernelBatch& batch, int64_t frame,
                                                    int thread, const FrameSums& sums) {
  const int count = format.channels * format.crop_height * format.crop_width;
  const auto mean = static_cast<float>(sums.partial[0][0] / static_cast<double>(count));
  float* values = batch.values + frame * count;
  for (int i = thread; i < count; i += kKernelThreads) values[i] -= mean;
}

}  // namespace muster::trainer
