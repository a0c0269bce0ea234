// What a network asks of its input, and what chance decided for one clip of it. Plain data: the CPU
// implementation is in datastore/clip_transform.h.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "datastore/occlusion_box.h"

namespace muster::datastore {

// A window of the resized frames, mirrored or not.
struct ClipWindow {
  int32_t crop_y = 0, crop_x = 0;  // top left corner, pixels
  bool flip = false;               // mirror left and right
};

// Every number that chance decided for one clip; the same for all its frames but for the boxes.
struct ClipTransform {
  int32_t crop_y = 0, crop_x = 0;  // top left corner of the window in the resized frame, pixels
  bool flip = false;               // mirror left and right
  // One per frame, blackened in the stored frame before anything else; or none. Flow, which was
  // computed from the whole frames, and joints know nothing of it.
  std::vector<PixelBox> boxes = {};
  ClipWindow window() const { return {crop_y, crop_x, flip}; }
};

enum class Interpolation {
  kArea,      // the mean over the covered pixels when shrinking, bilinear when enlarging
  kBilinear,  // between the four nearest pixels, shrinking too
  kBicubic,   // OpenCV's, coefficient -0.75; shrinking too without a wider kernel
};

enum class ColourSpace { kYuv, kRgb, kBgr };  // Torch7's YUV, of RGB in the value range

enum class ValueRange { kUnit, kBytes };  // colours from 0 to 1, or from 0 to 255

enum class Normalisation {
  kPerFrame,  // each channel of each resized frame: minus its mean, divided by its deviation
  kFixed,     // colour minus `mean`, divided by `deviation`; flow stays in pixels per frame
};

// Frames are resized, turned into colours of a range and, with flow, two flow channels, and
// normalised; then the window is cut and mirrored. The defaults are STSRN's (section 3.1 of its
// specification).
struct ClipFormat {
  int resize_height = 64, resize_width = 48;
  int crop_height = 56, crop_width = 40;
  bool flow = true;
  Interpolation interpolation = Interpolation::kArea;
  ColourSpace colour = ColourSpace::kYuv;
  ValueRange range = ValueRange::kUnit;
  Normalisation normalisation = Normalisation::kPerFrame;
  // kFixed only: in the order of the colour channels, in units of the range.
  std::array<float, 3> mean = {0, 0, 0}, deviation = {1, 1, 1};
  bool subtract_window_mean = true;  // over all channels of each cut frame, at the end
  // Quirks of the original preprocessing, for comparison with its weights.
  bool divide_by_root_of_deviation = false;  // kPerFrame only
  bool vertical_flow_first = false;
  bool joints = false;  // carried along
  int channels() const { return flow ? 5 : 3; }
};

}  // namespace muster::datastore
