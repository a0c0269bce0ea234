#include "datastore/bmp_codec.h"

#include <cstdlib>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "common/error.h"

namespace muster::datastore {
namespace {

constexpr int64_t kFileHeader = 14;  // bytes in front of the picture's header

int64_t little_endian(const std::string& bytes, int64_t at, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) {
    value = value << 8 | static_cast<uint8_t>(bytes[static_cast<size_t>(at + i)]);
  }
  return count == 4 ? int64_t{static_cast<int32_t>(value)} : int64_t{value};
}

// What keeps OpenCV from reading the picture, or "". Its decoder prints lines of its own about
// files that are shorter than their headers say, so it does not get to see them.
std::string bmp_fault(const std::string& bytes) {
  constexpr int64_t kSmallest = kFileHeader + 40;
  const auto size = static_cast<int64_t>(bytes.size());
  if (size < kSmallest) return "is truncated";
  const int64_t pixels_at = little_endian(bytes, 10, 4);
  const int64_t header = little_endian(bytes, 14, 4);
  const int64_t width = little_endian(bytes, 18, 4);
  const int64_t height = std::abs(little_endian(bytes, 22, 4));  // negative: from the top
  const int64_t bits = little_endian(bytes, 28, 2);
  const int64_t compression = little_endian(bytes, 30, 4);
  const int64_t colours = little_endian(bytes, 46, 4);
  const bool is_known_header =
      header == 40 || header == 52 || header == 56 || header == 108 || header == 124;
  const bool has_masks = compression == 3 && (bits == 16 || bits == 32);
  if (!is_known_header || (compression != 0 && !has_masks)) {
    return "is a BMP of a kind that muster does not read";
  }
  const bool has_palette = bits == 1 || bits == 4 || bits == 8;
  if (!(has_palette || bits == 16 || bits == 24 || bits == 32) || width < 1 || height < 1) {
    return "has a damaged header";
  }
  if (width * height > kMostPixels) return "claims to have more than 67 million pixels";
  if (has_palette && (colours < 0 || colours > 256)) return "has a damaged header";
  const int64_t palette = has_palette ? 4 * (colours == 0 ? int64_t{1} << bits : colours) : 0;
  const int64_t masks = has_masks ? 12 : 0;
  if (pixels_at < kFileHeader + header) return "has a damaged header";
  const int64_t row = (width * bits + 31) / 32 * 4;
  if (kFileHeader + header + palette + masks > size || row * height > size - pixels_at) {
    return "is truncated";
  }
  return "";
}

}  // namespace

bool is_bmp(const std::string& bytes) { return bytes.compare(0, 2, "BM") == 0; }

Image decoded_bmp(const std::string& bytes, const std::string& object) {
  const std::string fault = bmp_fault(bytes);
  if (!fault.empty())
    throw common::InputError(object, fault, "fetch the picture again, or convert it to PNG");
  cv::Mat decoded;
  try {
    decoded = cv::imdecode(
        cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data())),
        cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    decoded.release();
  }
  if (decoded.empty()) {
    throw common::InputError(object, "is a BMP that cannot be decoded",
                             "fetch the picture again, or convert it to PNG");
  }
  Image image{decoded.rows, decoded.cols, {}};
  image.rgb.resize(decoded.total() * 3);
  cv::Mat target(decoded.rows, decoded.cols, CV_8UC3, image.rgb.data());
  cv::cvtColor(decoded, target, cv::COLOR_BGR2RGB);
  return image;
}

}  // namespace muster::datastore
