// Dense Lucas-Kanade flow between neighbouring frames, after the "Lucas-Kanade, difference filter"
// method of MATLAB's vision.OpticalFlow that McLaughlin, ASTPN and STSRN prepared their input with.
//
// I_x and I_y: kernel [-1 8 0 -8 1]/12 on the current frame. I_t: current minus previous. Products
// are smoothed with the separable kernel [1 4 6 4 1]/16 into a 2x2 system per pixel. Both
// eigenvalues at least the threshold: solved. Only the larger: normal flow, the part of the motion
// along its eigenvector. Neither: 0.
//
// Our readings, where the publications are silent:
// - grey is 0.299 R + 0.587 G + 0.114 B rounded to whole levels of 0 to 255, as rgb2gray gives for
//   bytes. The threshold .0039 is in squared levels per squared pixel, so in effect it only sets
//   flat areas apart;
// - every filter sees the border pixel of its input repeated outwards;
// - the first frame of a tracklet has no previous one: its flow is zero, which the caller writes.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/image.h"
#include "datastore/shard_format.h"

namespace muster::datastore {

// Motion from the previous frame to the current one at each pixel of the current one.
struct FlowField {
  int height = 0, width = 0;
  // [height, width, 2]: horizontal then vertical, pixels per frame, positive right and down.
  std::vector<float> vectors;
};

constexpr double kNoiseReductionThreshold = 0.0039;

// Both images must have the same size, at least 1x1 (RequirementError). Sums are exact integers and
// the solution is double: the same input gives the same field. Any thread.
FlowField lucas_kanade_flow(const Image& previous, const Image& current,
                            double noise_threshold = kNoiseReductionThreshold);

// The original preprocessing's rounding: whole pixels, clamped to -127 .. 128.
void round_to_whole_pixels(FlowField& flow);

// Means over areas of [out_height, out_width] cells (linear interpolation where that enlarges),
// then round(v / kFlowPixelsPerCount) clamped to -127 .. 127. Values stay in pixels of the frame
// that the flow was computed on. Returns [out_height, out_width, 2].
std::vector<int8_t> quantised_flow(const FlowField& flow, int out_height, int out_width);

}  // namespace muster::datastore
