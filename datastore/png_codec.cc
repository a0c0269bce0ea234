#include "datastore/png_codec.h"

#include <png.h>
#include <zlib.h>

#include "common/error.h"

namespace muster::datastore {
namespace {

constexpr size_t kSignature = 8;  // bytes at the beginning of every PNG file

[[noreturn]] void refuse_picture(const std::string& object, const std::string& problem) {
  throw common::InputError(object, problem, "fetch the picture again");
}

uint32_t big_endian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The file without the chunks that do not decide its pixels: libpng would convert colours by some
// of them and stumble over others. Checks all of them.
std::string pixel_chunks(const std::string& bytes, const std::string& object) {
  constexpr size_t kAround = 12;  // length, type and checksum of a chunk
  std::string kept = bytes.substr(0, kSignature);
  bool has_pixels = false;
  for (size_t at = kSignature;;) {
    if (bytes.size() < at + kAround) refuse_picture(object, "is truncated");
    const size_t length = big_endian(bytes, at);
    if (bytes.size() - at - kAround < length) refuse_picture(object, "is truncated");
    const std::string type = bytes.substr(at + 4, 4);
    const auto* checked = reinterpret_cast<const Bytef*>(bytes.data() + at + 4);
    const uint32_t crc = static_cast<uint32_t>(::crc32(0, checked, static_cast<uInt>(length + 4)));
    const bool first_is_header = at > kSignature || (type == "IHDR" && length == 13);
    if (crc != big_endian(bytes, at + 8 + length) || !first_is_header) {
      refuse_picture(object, "is damaged at byte " + std::to_string(at));
    }
    if (type == "IHDR" &&
        uint64_t{big_endian(bytes, at + 8)} * big_endian(bytes, at + 12) > uint64_t{kMostPixels}) {
      refuse_picture(object, "claims to have more than 67 million pixels");
    }
    has_pixels = has_pixels || type == "IDAT";
    const bool is_critical = (static_cast<uint8_t>(type[0]) & 0x20) == 0;
    if (is_critical) kept.append(bytes, at, kAround + length);
    at += kAround + length;
    if (type == "IEND") break;
  }
  if (!has_pixels) refuse_picture(object, "holds no pixels");
  return kept;
}

// What libpng holds of a picture while it is read.
struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
};

void drop_alpha(std::vector<uint8_t>& pixels) {
  const size_t count = pixels.size() / 4;
  for (size_t pixel = 0; pixel < count; ++pixel) {
    for (size_t channel = 0; channel < 3; ++channel) {
      pixels[pixel * 3 + channel] = pixels[pixel * 4 + channel];
    }
  }
  pixels.resize(count * 3);
}

}  // namespace

bool is_png(const std::string& bytes) {
  return bytes.compare(0, kSignature, "\x89PNG\r\n\x1A\n") == 0;
}

Image decoded_png(const std::string& bytes, const std::string& object) {
  const std::string kept = pixel_chunks(bytes, object);
  PngImage png;
  const auto refuse = [&] {
    refuse_picture(object, "cannot be decoded: " + std::string(png.message));
  };
  if (png_image_begin_read_from_memory(&png, kept.data(), kept.size()) == 0) refuse();
  const bool has_alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  png.format = has_alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // else 16 bits are taken for linear light
  Image image{static_cast<int>(png.height), static_cast<int>(png.width), {}};
  image.rgb.resize(PNG_IMAGE_SIZE(png));
  if (png_image_finish_read(&png, nullptr, image.rgb.data(), 0, nullptr) == 0) refuse();
  if (has_alpha) drop_alpha(image.rgb);
  return image;
}

}  // namespace muster::datastore
