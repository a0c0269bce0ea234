// Resampling of pictures, with OpenCV's core and imgproc alone.
#pragma once

#include "datastore/image.h"

namespace muster::datastore {

// Area average when shrinking, bilinear when enlarging. The same size returns a copy.
Image resized(const Image& image, int height, int width);

}  // namespace muster::datastore
