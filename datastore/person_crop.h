// One person out of one frame.
#pragma once

#include "datastore/image.h"
#include "datastore/person_detector.h"

namespace muster::datastore {

// The box as it is, scaled to height x width; outside the frame its edge goes on. A box of whole
// pixels and just that size comes out unchanged.
Image box_crop(const Image& frame, const PersonBox& box, int height, int width);

// A detected body with `margin` times its height around it, in a window twice as high as wide.
Image body_crop(const Image& frame, const PersonBox& body, double margin, int height, int width);

// "" if box_crop can be used, else what is wrong: the box must share a pixel with a frame of this
// size, and be at most twice as high and wide.
const char* problem_of_box(const PersonBox& box, int frame_height, int frame_width);

}  // namespace muster::datastore
