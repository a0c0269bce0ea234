// Marks functions that run on the processor and, compiled by nvcc, on a GPU too.
#pragma once

#if defined(__CUDACC__)
#define MUSTER_HOST_DEVICE __host__ __device__
#else
#define MUSTER_HOST_DEVICE
#endif
