// JPEG by libjpeg-turbo. Free functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

constexpr int kJpegQuality = 90;

bool is_jpeg(const uint8_t* bytes, size_t count);

// 4:4:4, kJpegQuality. The same picture gives the same bytes.
std::vector<uint8_t> encoded_jpeg(const Image& image);

// Throws InputError naming `object` if the bytes are not a whole JPEG file or libjpeg
// finds its data damaged.
Image decoded_jpeg(const uint8_t* bytes, size_t count, const std::string& object);

// Decodes into [height, width, 3]. False if the bytes are no whole JPEG picture of that size; the
// target then holds anything. `known` says that these very bytes were decoded before: the size is
// not looked at again, so a wrong answer may write a smaller picture, never beyond the target.
bool decode_jpeg_into(const uint8_t* bytes, size_t count, int height, int width, bool known,
                      uint8_t* rgb);

}  // namespace muster::datastore
