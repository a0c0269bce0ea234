#include "datastore/picture_files.h"

#include <zlib.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/jpeg_codec.h"

namespace muster::datastore {
using common::InputError;

namespace {

uint32_t big_endian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// What is wrong with the chunks of a PNG file, or "". OpenCV's decoder fills the rest of a file
// that ends early with black, and libpng prints lines of its own about damaged chunks, so neither
// gets to see them.
std::string png_fault(const std::string& bytes) {
  constexpr size_t kSignature = 8, kAround = 12;  // length, type and checksum of a chunk
  bool has_pixels = false;
  for (size_t at = kSignature;;) {
    if (bytes.size() < at + kAround) return "is truncated";
    const size_t length = big_endian(bytes, at);
    if (bytes.size() - at - kAround < length) return "is truncated";
    const std::string type = bytes.substr(at + 4, 4);
    const auto* checked = reinterpret_cast<const Bytef*>(bytes.data() + at + 4);
    const uint32_t crc = static_cast<uint32_t>(::crc32(0, checked, static_cast<uInt>(length + 4)));
    const bool first_is_header = at > kSignature || (type == "IHDR" && length == 13);
    if (crc != big_endian(bytes, at + 8 + length) || !first_is_header) {
      return "is damaged at byte " + std::to_string(at);
    }
    if (type == "IHDR" &&
        uint64_t{big_endian(bytes, at + 8)} * big_endian(bytes, at + 12) > uint64_t{kMostPixels}) {
      return "claims to have more than 67 million pixels";
    }
    if (type == "IEND") return has_pixels ? "" : "holds no pixels";
    has_pixels = has_pixels || type == "IDAT";
    at += kAround + length;
  }
}

bool is_png(const std::string& bytes) {
  return bytes.compare(0, 8, std::string("\x89PNG\r\n\x1A\n")) == 0;
}

bool is_jpeg(const std::string& bytes) { return bytes.compare(0, 3, "\xFF\xD8\xFF") == 0; }

}  // namespace

Image read_picture(const std::filesystem::path& path) { return read_source_frame(path).image; }

SourceFrame read_source_frame(const std::filesystem::path& path) {
  const std::string bytes = common::read_file(path);
  if (bytes.empty()) throw InputError(path.string(), "is empty", "fetch the picture again");
  const std::string fault = is_png(bytes) ? png_fault(bytes) : "";
  if (!fault.empty()) throw InputError(path.string(), fault, "fetch the picture again");
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
