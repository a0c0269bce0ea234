// The clip transform of GPUs on the processor: the same functions in the same order, so that what
// is tested here is what the kernel computes.
#pragma once

#include "trainer/clip_kernel_types.h"

namespace muster::trainer {

// Fills batch.values. All pointers are host memory. The bytes of the resized frame are those of
// datastore::apply_clip_transform; with kBicubic one count off where OpenCV's own forms differ.
// Values differ by the order of a frame's sums, at most 2e-6 of the largest value.
void transform_clips_as_a_gpu(const ClipKernelFormat& format, const ClipKernelBatch& batch);

}  // namespace muster::trainer
