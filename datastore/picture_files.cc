#include "datastore/picture_files.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/bmp_codec.h"
#include "datastore/jpeg_codec.h"
#include "datastore/png_codec.h"

namespace muster::datastore {
using common::InputError;

Image read_picture(const std::filesystem::path& path) { return read_source_frame(path).image; }

SourceFrame read_source_frame(const std::filesystem::path& path) {
  const std::string bytes = common::read_file(path);
  if (bytes.empty()) throw InputError(path.string(), "is empty", "fetch the picture again");
  if (is_png(bytes)) return {decoded_png(bytes, path.string()), {}};
  if (is_bmp(bytes)) return {decoded_bmp(bytes, path.string()), {}};
  const auto* begin = reinterpret_cast<const uint8_t*>(bytes.data());
  if (is_jpeg(begin, bytes.size())) {
    return {decoded_jpeg(begin, bytes.size(), path.string()), {begin, begin + bytes.size()}};
  }
  throw InputError(path.string(), "is no JPEG, PNG or BMP picture",
                   "fetch the picture again, or convert it to PNG");
}

std::vector<uint8_t> encoded_picture(const Image& image, const std::string& extension) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  MUSTER_REQUIRE(cv::imencode(extension, bgr, bytes), ==, true);
  return bytes;
}

void write_picture(const std::filesystem::path& path, const Image& image) {
  const std::vector<uint8_t> bytes = encoded_picture(image, path.extension().string());
  common::write_file_atomically(
      path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace muster::datastore
