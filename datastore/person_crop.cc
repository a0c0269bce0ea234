#include "datastore/person_crop.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace muster::datastore {
namespace {

// rows x columns pixels around `centre` (the middle of pixel (0, 0) is 0, 0), scaled. Interpolates
// to the exact centre, so that crops do not jump by whole pixels.
Image cut_out(const Image& frame, cv::Point2f centre, int rows, int columns, int height,
              int width) {
  const cv::Mat source(frame.height, frame.width, CV_8UC3, const_cast<uint8_t*>(frame.rgb.data()));
  cv::Mat cut;
  cv::getRectSubPix(source, cv::Size(columns, rows), centre, cut);
  Image crop{height, width,
             std::vector<uint8_t>(static_cast<size_t>(height) * static_cast<size_t>(width) * 3)};
  cv::Mat scaled(height, width, CV_8UC3, crop.rgb.data());
  if (cut.size() == scaled.size()) {
    cut.copyTo(scaled);
  } else {
    const bool shrinks = rows > height;
    cv::resize(cut, scaled, scaled.size(), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  }
  return crop;
}

int whole_pixels(float length) { return std::max(1, static_cast<int>(std::lround(length))); }

}  // namespace

Image box_crop(const Image& frame, const PersonBox& box, int height, int width) {
  const cv::Point2f centre(box.x + 0.5f * (box.width - 1), box.y + 0.5f * (box.height - 1));
  return cut_out(frame, centre, whole_pixels(box.height), whole_pixels(box.width), height, width);
}

Image body_crop(const Image& frame, const PersonBox& body, double margin, int height, int width) {
  const double rim = 2 * margin * body.height;
  const double window = std::max(body.height + rim, 2 * (body.width + 0.5 * rim));
  const int rows = std::max(2, int(std::lround(window)));
  const int columns = std::max(1, int(std::lround(0.5 * window)));
  const cv::Point2f centre(body.x + 0.5f * body.width, body.y + 0.5f * body.height);
  return cut_out(frame, centre, rows, columns, height, width);
}

const char* problem_of_box(const PersonBox& box, int frame_height, int frame_width) {
  if (box.width > 2 * static_cast<float>(frame_width) ||
      box.height > 2 * static_cast<float>(frame_height)) {
    return "is more than twice as large as the picture";
  }
  const float right = std::min(box.x + box.width, static_cast<float>(frame_width));
  const float bottom = std::min(box.y + box.height, static_cast<float>(frame_height));
  if (right - std::max(box.x, 0.0f) < 1 || bottom - std::max(box.y, 0.0f) < 1) {
    return "lies outside the picture";
  }
  return "";
}

}  // namespace muster::datastore
