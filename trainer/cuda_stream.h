// LibTorch's streams as CUDA's. Its source is the only one that sees c10/cuda.
#pragma once

namespace c10 {
class Stream;
}
struct CUstream_st;

namespace muster::trainer {

// Of a stream of a GPU.
CUstream_st* cuda_stream(const c10::Stream& stream);
// What the calling thread's work on its current device is queued on.
CUstream_st* current_cuda_stream();

}  // namespace muster::trainer
