#include "datastore/jpeg_codec.h"

#include <turbojpeg.h>

#include <memory>

#include "common/error.h"

namespace muster::datastore {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Codec = std::unique_ptr<void, Destroy>;

// One codec per thread and direction: creating one costs more than a small picture.
tjhandle compressor() {
  thread_local Codec codec(tjInitCompress());
  return codec.get();
}
Codec& decompressor() {
  thread_local Codec codec;
  if (!codec) codec.reset(tjInitDecompress());
  return codec;
}

// Cameras write files that libjpeg warns of and that decode well. Damaged data and a file that ends
// early are only warnings to it as well, but not to us. Of several warnings the first is told.
bool is_serious(tjhandle codec) {
  if (tjGetErrorCode(codec) != TJERR_WARNING) return true;
  const std::string warning = tjGetErrorStr2(codec);
  return warning.find("Corrupt JPEG data") != std::string::npos ||
         warning.find("Premature end") != std::string::npos;
}

// A broken picture leaves tables behind that spoil later ones, so its codec goes with it.
[[noreturn]] void refuse_picture(const std::string& object, const std::string& problem) {
  const std::string reason = tjGetErrorStr2(decompressor().get());
  decompressor().reset();
  throw common::InputError(object, problem + ": " + reason, "fetch the picture again");
}

}  // namespace

bool is_jpeg(const uint8_t* bytes, size_t count) {
  return count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

std::vector<uint8_t> encoded_jpeg(const Image& image) {
  std::vector<uint8_t> bytes(tjBufSize(image.width, image.height, TJSAMP_444));
  unsigned char* target = bytes.data();
  unsigned long size = bytes.size();
  const int status =
      tjCompress2(compressor(), image.rgb.data(), image.width, 0, image.height, TJPF_RGB, &target,
                  &size, TJSAMP_444, kJpegQuality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
  MUSTER_REQUIRE(status, ==, 0);
  bytes.resize(size);
  return bytes;
}

Image decoded_jpeg(const uint8_t* bytes, size_t count, const std::string& object) {
  Image image;
  int subsampling = 0, colour_space = 0;
  if (tjDecompressHeader3(decompressor().get(), bytes, count, &image.width, &image.height,
                          &subsampling, &colour_space) != 0) {
    refuse_picture(object, "is not a JPEG picture");
  }
  if (int64_t{image.height} * image.width > kMostPixels) {
    throw common::InputError(object,
                             "claims to have " + std::to_string(image.height) + "x" +
                                 std::to_string(image.width) + " pixels",
                             "scale it down or remove it");
  }
  image.rgb.resize(static_cast<size_t>(image.height) * image.width * 3);
  if (tjDecompress2(decompressor().get(), bytes, count, image.rgb.data(), image.width, 0,
                    image.height, TJPF_RGB, TJFLAG_ACCURATEDCT) != 0 &&
      is_serious(decompressor().get())) {
    refuse_picture(object, "cannot be decoded");
  }
  return image;
}

bool decode_jpeg_into(const uint8_t* bytes, size_t count, int height, int width, bool known,
                      uint8_t* rgb) {
  Codec& codec = decompressor();
  if (!known) {
    int stored_width = 0, stored_height = 0, subsampling = 0, colour_space = 0;
    if (tjDecompressHeader3(codec.get(), bytes, count, &stored_width, &stored_height, &subsampling,
                            &colour_space) != 0 ||
        stored_height != height || stored_width != width) {
      codec.reset();
      return false;
    }
  }
  if (tjDecompress2(codec.get(), bytes, count, rgb, width, 0, height, TJPF_RGB,
                    TJFLAG_ACCURATEDCT) != 0 &&
      is_serious(codec.get())) {
    codec.reset();
    return false;
  }
  return true;
}

}  // namespace muster::datastore
