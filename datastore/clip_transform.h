// From stored bytes to what a network sees: one clip's chance, the fixed recipe, and its CPU
// implementation.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

// Every number that chance decided for one clip; the same for all its frames.
struct ClipTransform {
  int32_t crop_y = 0, crop_x = 0;  // top left corner of the window in the resized frame, pixels
  bool flip = false;               // mirror left and right
};

// What a network asks of its input (STSRN, section 3.1 of its specification): frames are resized,
// turned into YUV and, with flow, two flow channels; each channel of each frame gets mean 0 and
// variance 1 over the resized frame; the window is cut; the clip's frames lose their mean over all
// channels.
struct ClipFormat {
  int resize_height = 64, resize_width = 48;
  int crop_height = 56, crop_width = 40;
  bool flow = true;
  int channels() const { return flow ? 5 : 3; }
};

// The whole content of one clip as it lies in the store.
struct StoredClip {
  std::vector<Image> frames;
  std::vector<std::vector<int8_t>> flow;  // per frame [flow_height, flow_width, 2], or empty
  int flow_height = 0, flow_width = 0;
};

// Writes [frames, channels, crop_height, crop_width]: Y, U, V, horizontal flow, vertical flow. A
// flip mirrors every channel and negates horizontal flow. A channel without variance (a first
// frame's flow) becomes 0. Requires the window to lie inside the resized frame. Any thread.
void apply_clip_transform(const StoredClip& clip, const ClipFormat& format,
                          const ClipTransform& transform, float* output);

}  // namespace muster::datastore
