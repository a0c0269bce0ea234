#include <cuda_runtime.h>

#include "common/error.h"
#include "trainer/clip_kernel_phases.h"
#include "trainer/clip_transform_cuda.h"

namespace muster::trainer {
namespace {

// After it partial[channel][0] is the sum, for all threads to read.
__device__ void reduce(int channels, FrameSums& sums) {
  __syncthreads();
  for (int stride = kKernelThreads / 2; stride > 0; stride /= 2) {
    add_partial_sums(channels, stride, static_cast<int>(threadIdx.x), sums);
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kKernelThreads)
    transform_frame(ClipKernelFormat format, ClipKernelBatch batch) {
  __shared__ FrameSums sums;
  const int64_t frame = blockIdx.x;
  const auto thread = static_cast<int>(threadIdx.x);
  if (format.per_frame) {
    sum_resized_frame(format, batch, frame, false, thread, sums);
    reduce(format.channels, sums);
    if (thread < format.channels) take_mean(format, thread, sums);
    __syncthreads();
    sum_resized_frame(format, batch, frame, true, thread, sums);
    reduce(format.channels, sums);
    if (thread < format.channels) take_scale(format, thread, sums);
    __syncthreads();
  }
  write_window(format, batch, frame, thread, sums);
  if (!format.subtract_window_mean) return;
  reduce(1, sums);
  subtract_window_mean(format, batch, frame, thread, sums);
}

}  // namespace

void transform_clips(const ClipKernelFormat& format, const ClipKernelBatch& batch,
                     CUstream_st* stream) {
  const int64_t frames = batch.clips * format.frames;
  if (frames == 0) return;
  MUSTER_REQUIRE(frames, <=, int64_t{2147483647});
  transform_frame<<<static_cast<unsigned>(frames), kKernelThreads, 0, stream>>>(format, batch);
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  throw common::SystemError("the clip transform",
                            std::string("cannot start: ") + cudaGetErrorString(status));
}

}  // namespace muster::trainer
