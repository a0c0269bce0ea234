// One picture in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace muster::datastore {

// RGB bytes, [height, width, 3], rows without padding.
struct Image {
  int height = 0, width = 0;
  std::vector<uint8_t> rgb;
};

// More than any camera's picture has; a small or damaged file must not ask for gigabytes.
constexpr int64_t kMostPixels = int64_t{1} << 26;

// One frame as its file holds it.
struct SourceFrame {
  Image image;
  std::vector<uint8_t> jpeg;  // the file's bytes if it is a JPEG file, else empty
};

constexpr int kJointCount = 14;

// One body joint in pixels of the frame: (0, 0) is the centre of its upper left pixel. Confidence 0
// (unknown or outside) to 1.
struct Joint {
  float x = 0, y = 0, confidence = 0;
};

}  // namespace muster::datastore
