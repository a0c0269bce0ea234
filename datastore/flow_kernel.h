// The arithmetic of optical_flow.h, compiled once per instruction set and chosen at run time.
#pragma once

#include <cstdint>
#include <vector>

namespace muster::datastore {

struct FlowKernel {
  const char* instructions;  // "avx2", "baseline"
  // RGB bytes [height, width, 3] of two frames to `vectors` [height, width, 2], pixels per frame.
  // Height and width at least 1. Any thread.
  void (*run)(const uint8_t* previous_rgb, const uint8_t* current_rgb, int height, int width,
              double noise_threshold, float* vectors);
};

// Those that this processor can run, the fastest first, the baseline last. All give the same bytes:
// sums are whole numbers, and the solution has no fused multiplications.
const std::vector<FlowKernel>& flow_kernels();

}  // namespace muster::datastore
