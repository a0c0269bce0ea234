// The black box of the occlusion experiments (STAL, "polluted" data sets).
#pragma once

#include <cstdint>
#include <vector>

namespace muster::datastore {

// Pixels [y, y + height) x [x, x + width) of a stored frame.
struct PixelBox {
  int32_t y = 0, x = 0, height = 0, width = 0;
};

struct OcclusionOptions {
  int size = 0;       // pixels of a side at the stored resolution; 25 in the paper, 0: no boxes
  uint64_t seed = 1;  // of the places
};

// One box for each of `frames`. Where it lies is a function of the seed, the tracklet's row in the
// store and the frame, so that every step, every rank and the test see the same polluted data. Lies
// inside the frame; a frame smaller than the box is black as a whole along that side. No boxes when
// size is 0. Any thread.
std::vector<PixelBox> occlusion_boxes(const OcclusionOptions& options, int32_t tracklet,
                                      const std::vector<int32_t>& frames, int frame_height,
                                      int frame_width);

}  // namespace muster::datastore
