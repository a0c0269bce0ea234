// Resampling of pictures, with OpenCV's core and imgproc alone.
#pragma once

#include "datastore/image.h"

namespace muster::datastore {

// Area average when shrinking, bilinear when enlarging. The same size returns a copy.
Image resized(const Image& image, int height, int width);

// Where a place along one side lies once that side has `to` pixels instead of `from`. Whole numbers
// are centres of pixels, so the picture reaches from -0.5 to from - 0.5. The same size changes no
// bit.
float resized_place(float place, int from, int to);

}  // namespace muster::datastore
