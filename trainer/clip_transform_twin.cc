#include "trainer/clip_transform_twin.h"

#include "trainer/clip_kernel_phases.h"

namespace muster::trainer {
namespace {

template <typename Phase>
void each_thread(const Phase& phase) {
  for (int thread = 0; thread < kKernelThreads; ++thread) phase(thread);
}

void reduce(int channels, FrameSums& sums) {
  for (int stride = kKernelThreads / 2; stride > 0; stride /= 2) {
    each_thread([&](int thread) { add_partial_sums(channels, stride, thread, sums); });
  }
}

}  // namespace

void transform_clips_as_a_gpu(const ClipKernelFormat& format, const ClipKernelBatch& batch) {
  FrameSums sums{};
  for (int64_t frame = 0; frame < batch.clips * format.frames; ++frame) {
    if (format.per_frame) {
      each_thread([&](int t) { sum_resized_frame(format, batch, frame, false, t, sums); });
      reduce(format.channels, sums);
      for (int channel = 0; channel < format.channels; ++channel) take_mean(format, channel, sums);
      each_thread([&](int t) { sum_resized_frame(format, batch, frame, true, t, sums); });
      reduce(format.channels, sums);
      for (int channel = 0; channel < format.channels; ++channel) take_scale(format, channel, sums);
    }
    each_thread([&](int t) { write_window(format, batch, frame, t, sums); });
    if (!format.subtract_window_mean) continue;
    reduce(1, sums);
    each_thread([&](int t) { subtract_window_mean(format, batch, frame, t, sums); });
  }
}

}  // namespace muster::trainer
