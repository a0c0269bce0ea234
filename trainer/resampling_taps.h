// Which stored pixels make each resized one, and with what weights: OpenCV's rules, one axis at a
// time, so that a GPU resizes as the datastore's transform does on the processor.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/clip_format.h"
#include "trainer/clip_kernel_types.h"

namespace muster::trainer {

// The tables that AxisTaps points into, [resized, taps].
struct TapTable {
  int32_t taps = 1;
  std::vector<int32_t> place;
  std::vector<float> weight;
  std::vector<int32_t> fixed;
};

// How bytes of `height` x `width` become `to_height` x `to_width`. `tables`: rows, then columns;
// unused with kSame.
struct ResamplingTables {
  Resampling kind = Resampling::kSame;
  TapTable rows, columns;
};

// For kArea the mean where both sides shrink, bilinear otherwise.
ResamplingTables colour_resampling(int height, int width, int to_height, int to_width,
                                   datastore::Interpolation interpolation);

// Vectors of two floats. For kArea OpenCV's area interpolation, enlarging too.
ResamplingTables flow_resampling(int height, int width, int to_height, int to_width,
                                 datastore::Interpolation interpolation);

}  // namespace muster::trainer
