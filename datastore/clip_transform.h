// From stored bytes to what a network sees, on the CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/clip_format.h"
#include "datastore/image.h"

namespace muster::datastore {

// One clip as it lies in the store, in memory of someone else.
struct ClipView {
  int frames = 0, height = 0, width = 0;
  const uint8_t* rgb = nullptr;  // [frames, height, width, 3]
  int flow_height = 0, flow_width = 0;
  const int8_t* flow = nullptr;   // [frames, flow_height, flow_width, 2], or none
  const Joint* joints = nullptr;  // [frames, kJointCount], or none
};

// The same, owned.
struct StoredClip {
  int frames = 0, height = 0, width = 0;
  std::vector<uint8_t> rgb;
  int flow_height = 0, flow_width = 0;
  std::vector<int8_t> flow;
  std::vector<Joint> joints;
  ClipView view() const;
};

// Writes [frames, channels, crop_height, crop_width]: the three colours, then, with flow,
// horizontal and vertical flow (the other way round with vertical_flow_first). A flip mirrors every
// channel and negates horizontal flow. A channel without variance (a first frame's flow) becomes 0
// under kPerFrame. Requires the window to lie inside the resized frame, one box per frame or none,
// boxes inside the frame, and flow if the format has it. Any thread.
void apply_clip_transform(const ClipView& clip, const ClipFormat& format,
                          const ClipTransform& transform, float* values);

// The same for several windows of one clip, [windows, frames, channels, crop_height, crop_width]:
// what the windows share is done once. `boxes` as in ClipTransform.
void cut_windows(const ClipView& clip, const ClipFormat& format, const std::vector<PixelBox>& boxes,
                 const std::vector<ClipWindow>& windows, float* values);

// Writes [frames, kJointCount]: joints in pixels of the window. A flip mirrors them and swaps left
// and right ones. A joint outside the window keeps its place and gets confidence 0. Requires
// joints. Any thread.
void apply_joint_transform(const ClipView& clip, const ClipFormat& format,
                           const ClipTransform& transform, Joint* joints);

// The joint (0-based: head top, neck, right shoulder, elbow, wrist, left ones, right hip, knee,
// ankle, left ones) that has this place in a mirrored picture.
int mirrored_joint(int joint);

}  // namespace muster::datastore
