#include "trainer/cuda_stream.h"

#include <c10/cuda/CUDAStream.h>

namespace muster::trainer {

CUstream_st* cuda_stream(const c10::Stream& stream) {
  return c10::cuda::CUDAStream(stream).stream();
}

CUstream_st* current_cuda_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

}  // namespace muster::trainer
