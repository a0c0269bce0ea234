// The clip transform as one CUDA kernel; built where nvcc is.
#pragma once

#include "trainer/clip_kernel_types.h"

struct CUstream_st;

namespace muster::trainer {

// Fills batch.values in the order of `stream`, one block a frame; returns at once. All pointers are
// memory of the stream's device and stay until the stream is done. Nothing to do without clips.
// Throws SystemError naming CUDA's reason if the kernel cannot be started.
void transform_clips(const ClipKernelFormat& format, const ClipKernelBatch& batch,
                     CUstream_st* stream);

}  // namespace muster::trainer
