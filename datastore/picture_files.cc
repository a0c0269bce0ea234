#include "datastore/picture_files.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/jpeg_codec.h"

namespace muster::datastore {
using common::InputError;

namespace {

// OpenCV's PNG decoder accepts files that end early and fills the rest with black; this looks at
// the end.
bool ends_whole(const std::string& bytes) {
  const auto ends_with = [&](const std::string& tail) {
    return bytes.size() >= tail.size() &&
           bytes.compare(bytes.size() - tail.size(), tail.size(), tail) == 0;
  };
  if (bytes.compare(0, 4, "\x89PNG") == 0) return ends_with(std::string("IEND\xAE\x42\x60\x82", 8));
  return true;
}

bool is_jpeg(const std::string& bytes) { return bytes.compare(0, 3, "\xFF\xD8\xFF") == 0; }

}  // namespace

Image read_picture(const std::filesystem::path& path) { return read_source_frame(path).image; }

SourceFrame read_source_frame(const std::filesystem::path& path) {
  const std::string bytes = common::read_file(path);
  if (bytes.empty()) throw InputError(path.string(), "is empty", "fetch the picture again");
  if (!ends_whole(bytes)) {
    throw InputError(path.string(), "is truncated", "fetch the picture again");
  }
  if (is_jpeg(bytes)) {
    const auto* begin = reinterpret_cast<const uint8_t*>(bytes.data());
    return {decoded_jpeg(begin, bytes.size(), path.string()), {begin, begin + bytes.size()}};
  }
  cv::Mat decoded;
  try {
    decoded = cv::imdecode(
        cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data())),
        cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    decoded.release();
  }
  if (decoded.empty()) {
    throw InputError(path.string(), "is not a readable picture", "fetch the picture again");
  }
  Image image{decoded.rows, decoded.cols, {}};
  image.rgb.resize(decoded.total() * 3);
  cv::Mat target(decoded.rows, decoded.cols, CV_8UC3, image.rgb.data());
  cv::cvtColor(decoded, target, cv::COLOR_BGR2RGB);
  return {std::move(image), {}};
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
