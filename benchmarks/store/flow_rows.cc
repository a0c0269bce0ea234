#include <malloc.h>

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <random>

#include "benchmarks/store/interleaved.h"
#include "benchmarks/store/store_rows.h"
#include "datastore/optical_flow.h"

namespace muster::benchmarks {
namespace {

using datastore::Image;

Image moving_waves(int height, int width, double time) {
  Image image{height, width, {}};
  std::mt19937 noise(static_cast<unsigned>(height + 1000 * time));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double level = 120 + 50 * std::sin(0.35 * (x - 0.6 * time) + 0.1 * y) +
                           50 * std::sin(0.3 * (y - 0.3 * time));
      for (int channel = 0; channel < 3; ++channel) {
        image.rgb.push_back(static_cast<uint8_t>(std::lround(level + noise() % 16)));
      }
    }
  }
  return image;
}

cv::Mat matrix_of(const Image& image) {
  return {image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data())};
}

// The five smoothed products, as one writes them with OpenCV.
struct Sums {
  cv::Mat xx, xy, yy, xt, yt;
};

cv::Mat grey_levels(const cv::Mat& rgb) {
  cv::Mat bytes, levels;
  cv::cvtColor(rgb, bytes, cv::COLOR_RGB2GRAY);
  bytes.convertTo(levels, CV_32F);
  return levels;
}

Sums sums_by_filters(const cv::Mat& previous_rgb, const cv::Mat& current_rgb) {
  static const cv::Mat derivative =
      (cv::Mat_<float>(1, 5) << 1 / 12.f, -8 / 12.f, 0, 8 / 12.f, -1 / 12.f);
  static const cv::Mat binomial =
      (cv::Mat_<float>(1, 5) << 1 / 16.f, 4 / 16.f, 6 / 16.f, 4 / 16.f, 1 / 16.f);
  static const cv::Mat identity = cv::Mat::ones(1, 1, CV_32F);
  const cv::Mat previous = grey_levels(previous_rgb), current = grey_levels(current_rgb);
  const auto filtered = [](const cv::Mat& source, const cv::Mat& along_x, const cv::Mat& along_y) {
    cv::Mat result;
    cv::sepFilter2D(source, result, CV_32F, along_x, along_y, {-1, -1}, 0, cv::BORDER_REPLICATE);
    return result;
  };
  const cv::Mat gradient_x = filtered(current, derivative, identity);
  const cv::Mat gradient_y = filtered(current, identity, derivative);
  const cv::Mat gradient_t = current - previous;
  const auto smoothed_product = [&](const cv::Mat& left, const cv::Mat& right) {
    return filtered(left.mul(right), binomial, binomial);
  };
  return {smoothed_product(gradient_x, gradient_x), smoothed_product(gradient_x, gradient_y),
          smoothed_product(gradient_y, gradient_y), smoothed_product(gradient_x, gradient_t),
          smoothed_product(gradient_y, gradient_t)};
}

// A loop over the pixels: on these sizes faster than a chain of matrix expressions, which reads and
// writes memory for every operator.
cv::Mat solved(const Sums& sums, float threshold) {
  cv::Mat flow(sums.xx.size(), CV_32FC2, cv::Scalar(0, 0));
  for (int y = 0; y < flow.rows; ++y) {
    const auto *row_xx = sums.xx.ptr<float>(y), *row_xy = sums.xy.ptr<float>(y),
               *row_yy = sums.yy.ptr<float>(y), *row_xt = sums.xt.ptr<float>(y),
               *row_yt = sums.yt.ptr<float>(y);
    auto* vectors = flow.ptr<cv::Vec2f>(y);
    for (int x = 0; x < flow.cols; ++x) {
      const float xx = row_xx[x], xy = row_xy[x], yy = row_yy[x], xt = row_xt[x], yt = row_yt[x];
      const float mean = (xx + yy) / 2, half_difference = (xx - yy) / 2;
      const float radius = std::sqrt(half_difference * half_difference + xy * xy);
      const float larger = mean + radius, smaller = mean - radius;
      if (smaller >= threshold) {
        const float determinant = xx * yy - xy * xy;
        vectors[x] = {(xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant};
      } else if (larger >= threshold) {
        const float divisor = -2 * radius * larger;
        vectors[x] = {((xx - smaller) * xt + xy * yt) / divisor,
                      (xy * xt + (yy - smaller) * yt) / divisor};
      }
    }
  }
  return flow;
}

TableRow flow_row(int height, int width) {
  constexpr int kPairs = 100;
  const Image first = moving_waves(height, width, 0), second = moving_waves(height, width, 1);
  const cv::Mat first_matrix = matrix_of(first), second_matrix = matrix_of(second);
  double keep = 0;  // so that nothing is left out by the compiler
  const MedianSeconds seconds = interleaved(
      25,
      [&] {
        for (int i = 0; i < kPairs; ++i) {
          keep += datastore::lucas_kanade_flow(first, second).vectors[7];
        }
      },
      [&] {
        for (int i = 0; i < kPairs; ++i) {
          keep += solved(sums_by_filters(first_matrix, second_matrix),
                         static_cast<float>(datastore::kNoiseReductionThreshold))
                      .at<cv::Vec2f>(0, 3)[1];
        }
      });
  TableRow row;
  row.path = "flow " + std::to_string(height) + "x" + std::to_string(width);
  row.limit = "OpenCV filters, one thread";
  row.unit = "frames/s";
  row.measured = kPairs / seconds.measured;
  row.bound = kPairs / seconds.bound;
  row.ratio = row.measured / row.bound;
  row.target = 2.0;
  if (std::isnan(keep)) row.note = "the flow is not a number";
  return row;
}

}  // namespace

std::vector<TableRow> flow_rows() {
  // Memory that was freed is used again by both: asking the system for the pages of every temporary
  // matrix anew would make OpenCV less than half as fast.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const int threads = cv::getNumThreads();
  cv::setNumThreads(1);
  std::vector<TableRow> rows = {flow_row(128, 64), flow_row(256, 128)};
  cv::setNumThreads(threads);
  return rows;
}

}  // namespace muster::benchmarks
