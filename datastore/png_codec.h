// PNG by libpng. Free functions; any thread.
#pragma once

#include <string>

#include "datastore/image.h"

namespace muster::datastore {

bool is_png(const std::string& bytes);

// To RGB as the pixels are stored: transparency is dropped and colour profiles are not applied.
// Bytes after the end do no harm. Throws InputError naming `object` if the bytes are no whole PNG
// file; libraries print nothing.
Image decoded_png(const std::string& bytes, const std::string& object);

}  // namespace muster::datastore
