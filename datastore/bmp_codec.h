// BMP by OpenCV. Free functions; any thread.
#pragma once

#include <string>

#include "datastore/image.h"

namespace muster::datastore {

bool is_bmp(const std::string& bytes);

// To RGB; 1 to 32 bits per pixel, with or without a palette, but not run-length encoded. Throws
// InputError naming `object` if the bytes are no whole file of that kind; libraries print nothing.
Image decoded_bmp(const std::string& bytes, const std::string& object);

}  // namespace muster::datastore
