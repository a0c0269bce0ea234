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
tjhandle decompressor() {
  thread_local Codec codec(tjInitDecompress());
  return codec.get();
}

}  // namespace

std::vector<uint8_t> encoded_jpeg(const Image& image) {
  std::vector<uint8_t> bytes(tjBufSize(image.width, image.height, TJSAMP_444));
  unsigned char* target = bytes.data();
  unsigned long size = bytes.size();
  const int status = tjCompress2(compressor(), image.rgb.data(), image.width, 0, image.height,
                                 TJPF_RGB, &target, &size, TJSAMP_444, kJpegQuality,
                                 TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
  MUSTER_REQUIRE(status, ==, 0);
  bytes.resize(size);
  return bytes;
}

Image decoded_jpeg(const uint8_t* bytes, size_t count, const std::string& object) {
  Image image;
  int subsampling = 0, colour_space = 0;
  if (tjDecompressHeader3(decompressor(), bytes, count, &image.width, &image.height, &subsampling,
                          &colour_space) != 0) {
    throw common::InputError(object, std::string("is not a JPEG picture: ") +
                                         tjGetErrorStr2(decompressor()));
  }
  image.rgb.resize(static_cast<size_t>(image.height) * image.width * 3);
  if (tjDecompress2(decompressor(), bytes, count, image.rgb.data(), image.width, 0, image.height,
                    TJPF_RGB, TJFLAG_ACCURATEDCT) != 0) {
    throw common::InputError(
        object, std::string("cannot be decoded: ") + tjGetErrorStr2(decompressor()),
        "fetch the picture again");
  }
  return image;
}

}  // namespace muster::datastore
