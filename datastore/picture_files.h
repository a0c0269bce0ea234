// Picture files on disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

// JPEG, PNG or BMP to RGB, whichever the first bytes tell of. Throws InputError naming the file if
// it is missing, damaged or none of these; libraries print nothing.
Image read_picture(const std::filesystem::path& path);

// The same, and the file itself where it is a JPEG.
SourceFrame read_source_frame(const std::filesystem::path& path);

// By the extension: ".png", ".jpg", ".bmp". PNG and BMP keep every pixel.
std::vector<uint8_t> encoded_picture(const Image& image, const std::string& extension);

// By the extension of `path`. Throws SystemError naming the file when it cannot be written whole.
void write_picture(const std::filesystem::path& path, const Image& image);

}  // namespace muster::datastore
