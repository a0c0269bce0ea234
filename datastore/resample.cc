#include "datastore/resample.h"

#include <opencv2/imgproc.hpp>

namespace muster::datastore {

Image resized(const Image& image, int height, int width) {
  if (image.height == height && image.width == width) return image;
  const cv::Mat source(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  Image result{height, width, {}};
  result.rgb.resize(static_cast<size_t>(height) * width * 3);
  cv::Mat target(height, width, CV_8UC3, result.rgb.data());
  const bool shrinks = height <= image.height && width <= image.width;
  cv::resize(source, target, target.size(), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return result;
}

float resized_place(float place, int from, int to) {
  const float scale = static_cast<float>(to) / static_cast<float>(from);
  return place * scale + 0.5f * (scale - 1);
}

}  // namespace muster::datastore
