// JPEG by libjpeg-turbo. Free functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

constexpr int kJpegQuality = 90;

// 4:4:4, kJpegQuality. The same picture gives the same bytes.
std::vector<uint8_t> encoded_jpeg(const Image& image);

// Throws InputError naming `object` if the bytes are not a whole JPEG file.
Image decoded_jpeg(const uint8_t* bytes, size_t count, const std::string& object);

}  // namespace muster::datastore
