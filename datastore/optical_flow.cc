#include "datastore/optical_flow.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "common/error.h"

namespace muster::datastore {
namespace {

constexpr int kBorder = 2;  // half the length of both kernels

// Whole-number pictures: grey levels fit a byte, 12 I_x fits 16 bits (|.| <= 9 * 255), and 256
// times a smoothed product fits 32 bits (2295^2 * 256 < 2^31). So nothing is rounded before the
// solution.
template <typename T>
class Plane {
 public:
  Plane(int height, int width)
      : height_(height), stride_(width + 2 * kBorder), values_(size_t(height) * stride_) {}
  // First real column; kBorder columns lie on either side. Rows outside repeat the border row.
  T* row(int y) {
    return values_.data() + size_t(std::clamp(y, 0, height_ - 1)) * stride_ + kBorder;
  }

 private:
  int height_, stride_;
  std::vector<T> values_;
};

template <typename T>
void repeat_row_ends(T* row, int width) {
  for (int x = 1; x <= kBorder; ++x) {
    row[-x] = row[0];
    row[width - 1 + x] = row[width - 1];
  }
}

Plane<int16_t> grey_of(const Image& image) {
  Plane<int16_t> grey(image.height, image.width);
  const uint8_t* rgb = image.rgb.data();
  for (int y = 0; y < image.height; ++y) {
    int16_t* row = grey.row(y);
    for (int x = 0; x < image.width; ++x, rgb += 3) {
      row[x] = static_cast<int16_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
    }
    repeat_row_ends(row, image.width);
  }
  return grey;
}

enum Product { kXX, kXY, kYY, kXT, kYT, kProducts };

struct Products {
  std::array<Plane<int32_t>, kProducts> planes;
  Products(int height, int width)
      : planes{Plane<int32_t>(height, width), Plane<int32_t>(height, width),
               Plane<int32_t>(height, width), Plane<int32_t>(height, width),
               Plane<int32_t>(height, width)} {}
};

// Convolution turns the kernel round, so these are derivatives towards larger x and y, times 12.
inline int derivative(int before2, int before1, int after1, int after2) {
  return before2 - 8 * before1 + 8 * after1 - after2;
}

Products products_of(Plane<int16_t>& previous, Plane<int16_t>& current, int height, int width) {
  Products products(height, width);
  std::vector<int16_t> gradient_x(width), gradient_y(width), gradient_t(width);
  for (int y = 0; y < height; ++y) {
    const int16_t* above2 = current.row(y - 2);
    const int16_t* above1 = current.row(y - 1);
    const int16_t* here = current.row(y);
    const int16_t* below1 = current.row(y + 1);
    const int16_t* below2 = current.row(y + 2);
    const int16_t* before = previous.row(y);
    for (int x = 0; x < width; ++x) {
      gradient_x[x] = int16_t(derivative(here[x - 2], here[x - 1], here[x + 1], here[x + 2]));
      gradient_y[x] = int16_t(derivative(above2[x], above1[x], below1[x], below2[x]));
      gradient_t[x] = int16_t(here[x] - before[x]);
    }
    const auto multiply = [&](Product product, const std::vector<int16_t>& left,
                              const std::vector<int16_t>& right) {
      int32_t* row = products.planes[product].row(y);
      for (int x = 0; x < width; ++x) row[x] = int32_t(left[x]) * right[x];
    };
    multiply(kXX, gradient_x, gradient_x);
    multiply(kXY, gradient_x, gradient_y);
    multiply(kYY, gradient_y, gradient_y);
    multiply(kXT, gradient_x, gradient_t);
    multiply(kYT, gradient_y, gradient_t);
  }
  return products;
}

inline int32_t binomial(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e) {
  return a + e + 4 * (b + d) + 6 * c;
}

// Row `y` of the smoothed plane, times 256; `column_sums` is scratch of width + 2 kBorder.
void smooth_row(Plane<int32_t>& plane, int y, int width, std::vector<int32_t>& column_sums,
                int32_t* smoothed) {
  const int32_t* above2 = plane.row(y - 2);
  const int32_t* above1 = plane.row(y - 1);
  const int32_t* here = plane.row(y);
  const int32_t* below1 = plane.row(y + 1);
  const int32_t* below2 = plane.row(y + 2);
  int32_t* sums = column_sums.data() + kBorder;
  for (int x = 0; x < width; ++x) {
    sums[x] = binomial(above2[x], above1[x], here[x], below1[x], below2[x]);
  }
  repeat_row_ends(sums, width);
  for (int x = 0; x < width; ++x) {
    smoothed[x] = binomial(sums[x - 2], sums[x - 1], sums[x], sums[x + 1], sums[x + 2]);
  }
}

using ProductRow = std::array<std::vector<int32_t>, kProducts>;

// The 2x2 systems of one row. Sums carry 12 * 12 * 256 (xx, xy, yy) and 12 * 256 (xt, yt); the
// quotient of the two is the 12 below. Without branches, so that it runs several pixels at a time.
void solve_row(const ProductRow& sums, int width, double threshold, float* vectors) {
  const int32_t* sum_xx = sums[kXX].data();
  const int32_t* sum_xy = sums[kXY].data();
  const int32_t* sum_yy = sums[kYY].data();
  const int32_t* sum_xt = sums[kXT].data();
  const int32_t* sum_yt = sums[kYT].data();
  for (int x = 0; x < width; ++x) {
    const double xx = sum_xx[x], xy = sum_xy[x], yy = sum_yy[x], xt = sum_xt[x], yt = sum_yt[x];
    const double mean = 0.5 * (xx + yy), half_difference = 0.5 * (xx - yy);
    const double radius = std::sqrt(half_difference * half_difference + xy * xy);
    const double larger = mean + radius, smaller = mean - radius;
    const bool solvable = smaller >= threshold, normal = larger >= threshold;
    // Normal flow: (A - smaller I) / (larger - smaller) projects on the larger one's eigenvector.
    const double horizontal = solvable ? yy * xt - xy * yt : (xx - smaller) * xt + xy * yt;
    const double vertical = solvable ? xx * yt - xy * xt : xy * xt + (yy - smaller) * yt;
    const double divisor = solvable ? xx * yy - xy * xy : 2 * radius * larger;
    const double scale = normal && divisor > 0 ? -12.0 / divisor : 0.0;
    vectors[2 * x] = static_cast<float>(horizontal * scale);
    vectors[2 * x + 1] = static_cast<float>(vertical * scale);
  }
}

}  // namespace

FlowField lucas_kanade_flow(const Image& previous, const Image& current, double noise_threshold) {
  MUSTER_REQUIRE(previous.height, ==, current.height);
  MUSTER_REQUIRE(previous.width, ==, current.width);
  MUSTER_REQUIRE(std::min(current.height, current.width), >=, 1);
  const int height = current.height, width = current.width;
  Plane<int16_t> previous_grey = grey_of(previous), current_grey = grey_of(current);
  Products products = products_of(previous_grey, current_grey, height, width);

  FlowField flow{height, width, std::vector<float>(size_t(height) * width * 2)};
  std::vector<int32_t> column_sums(width + 2 * kBorder);
  ProductRow smoothed;
  for (auto& row : smoothed) row.resize(width);
  for (int y = 0; y < height; ++y) {
    for (int product = 0; product < kProducts; ++product) {
      smooth_row(products.planes[product], y, width, column_sums, smoothed[product].data());
    }
    solve_row(smoothed, width, noise_threshold * (12 * 12 * 256),
              flow.vectors.data() + size_t(y) * width * 2);
  }
  return flow;
}

void round_to_whole_pixels(FlowField& flow) {
  for (float& value : flow.vectors) value = std::clamp(std::round(value), -127.0f, 128.0f);
}

std::vector<int8_t> quantised_flow(const FlowField& flow, int out_height, int out_width) {
  MUSTER_REQUIRE(std::min(out_height, out_width), >=, 1);
  MUSTER_REQUIRE(flow.vectors.size(), ==, size_t(flow.height) * flow.width * 2);
  cv::Mat vectors(flow.height, flow.width, CV_32FC2, const_cast<float*>(flow.vectors.data()));
  cv::Mat resampled = vectors;
  if (out_height != flow.height || out_width != flow.width) {
    cv::resize(vectors, resampled, cv::Size(out_width, out_height), 0, 0, cv::INTER_AREA);
  }
  std::vector<int8_t> stored(size_t(out_height) * out_width * 2);
  const float* values = resampled.ptr<float>();
  for (size_t index = 0; index < stored.size(); ++index) {
    const float steps = std::clamp(values[index] * float(1 / kFlowPixelsPerCount), -127.0f, 127.0f);
    stored[index] = static_cast<int8_t>(std::lround(steps));
  }
  return stored;
}

}  // namespace muster::datastore
