// Compiled with -ffp-contract=off and -fno-math-errno (CMakeLists.txt): the first keeps results
// equal on every processor, the second lets square roots be taken several at a time.
#include "datastore/flow_kernel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

// Code of a function with a target attribute is what is inlined into it.
#define MUSTER_INLINED inline __attribute__((always_inline))

namespace muster::datastore {
namespace {

constexpr int kBorder = 2;  // half the length of both kernels
constexpr int kRing = 8;    // rows of products kept; 5 are needed

enum Product { kXX, kXY, kYY, kXT, kYT, kProducts };

// Whole-number pictures: grey levels fit a byte, 12 I_x fits 16 bits (|.| <= 9 * 255), and 256
// times a smoothed product fits 32 bits (2295^2 * 256 < 2^31). So nothing is rounded before the
// solution.
//
// Rows have kBorder columns on either side that repeat the border pixel; pointers to rows point at
// the first real column.
struct Scratch {
  Scratch(int height_, int width_)
      : height(height_),
        width(width_),
        stride(size_t(width_) + 2 * kBorder),
        previous(stride * size_t(height_)),
        current(stride * size_t(height_)),
        gradients(3 * size_t(width_)),
        products(kProducts * kRing * stride),
        column_sums(stride),
        smoothed(kProducts * size_t(width_)) {}

  MUSTER_INLINED int inside(int y) const { return std::clamp(y, 0, height - 1); }
  MUSTER_INLINED int16_t* grey_row(std::vector<int16_t>& grey, int y) const {
    return grey.data() + size_t(y) * stride + kBorder;
  }
  MUSTER_INLINED int32_t* product_row(int product, int y) {
    return products.data() + (size_t(product) * kRing + size_t(y) % kRing) * stride + kBorder;
  }

  int height, width;
  size_t stride;
  std::vector<int16_t> previous, current;
  std::vector<int16_t> gradients;  // of one row: horizontal, vertical, in time
  std::vector<int32_t> products;   // [product, row % kRing, column]
  std::vector<int32_t> column_sums;
  std::vector<int32_t> smoothed;  // of one row: [product, column]
};

template <typename T>
MUSTER_INLINED void repeat_row_ends(T* row, int width) {
  for (int x = 1; x <= kBorder; ++x) {
    row[-x] = row[0];
    row[width - 1 + x] = row[width - 1];
  }
}

// 0.299 R + 0.587 G + 0.114 B to the nearest level. The quotient by 1000 is exact: first by 8, then
// by 125 as a product that fits 32 bits and whose error stays under 1/125.
MUSTER_INLINED void grey_row_of(const uint8_t* __restrict rgb, int width, int16_t* __restrict row) {
  for (int x = 0; x < width; ++x) {
    const uint32_t thousandths =
        299u * rgb[3 * x] + 587u * rgb[3 * x + 1] + 114u * rgb[3 * x + 2] + 500u;
    row[x] = int16_t(((thousandths >> 3) * 134218u) >> 24);
  }
}

// Convolution turns the kernel round, so these are derivatives towards larger x and y, times 12.
MUSTER_INLINED int16_t derivative(int before2, int before1, int after1, int after2) {
  return int16_t(before2 - 8 * before1 + 8 * after1 - after2);
}

MUSTER_INLINED void multiply(const int16_t* __restrict left, const int16_t* __restrict right,
                             int width, int32_t* __restrict row) {
  for (int x = 0; x < width; ++x) row[x] = int32_t(left[x]) * right[x];
}

MUSTER_INLINED void products_of_row(Scratch& s, int y) {
  const int16_t* above2 = s.grey_row(s.current, s.inside(y - 2));
  const int16_t* above1 = s.grey_row(s.current, s.inside(y - 1));
  const int16_t* here = s.grey_row(s.current, y);
  const int16_t* below1 = s.grey_row(s.current, s.inside(y + 1));
  const int16_t* below2 = s.grey_row(s.current, s.inside(y + 2));
  const int16_t* before = s.grey_row(s.previous, y);
  int16_t* __restrict gradient_x = s.gradients.data();
  int16_t* __restrict gradient_y = gradient_x + s.width;
  int16_t* __restrict gradient_t = gradient_y + s.width;
  for (int x = 0; x < s.width; ++x) {
    gradient_x[x] = derivative(here[x - 2], here[x - 1], here[x + 1], here[x + 2]);
    gradient_y[x] = derivative(above2[x], above1[x], below1[x], below2[x]);
    gradient_t[x] = int16_t(here[x] - before[x]);
  }
  multiply(gradient_x, gradient_x, s.width, s.product_row(kXX, y));
  multiply(gradient_x, gradient_y, s.width, s.product_row(kXY, y));
  multiply(gradient_y, gradient_y, s.width, s.product_row(kYY, y));
  multiply(gradient_x, gradient_t, s.width, s.product_row(kXT, y));
  multiply(gradient_y, gradient_t, s.width, s.product_row(kYT, y));
}

MUSTER_INLINED int32_t binomial(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e) {
  return a + e + 4 * (b + d) + 6 * c;
}

// Row `y` of the smoothed product, times 256.
MUSTER_INLINED void smooth_row(Scratch& s, int product, int y) {
  const int32_t* above2 = s.product_row(product, s.inside(y - 2));
  const int32_t* above1 = s.product_row(product, s.inside(y - 1));
  const int32_t* here = s.product_row(product, y);
  const int32_t* below1 = s.product_row(product, s.inside(y + 1));
  const int32_t* below2 = s.product_row(product, s.inside(y + 2));
  int32_t* __restrict sums = s.column_sums.data() + kBorder;
  int32_t* __restrict smoothed = s.smoothed.data() + size_t(product) * s.width;
  for (int x = 0; x < s.width; ++x) {
    sums[x] = binomial(above2[x], above1[x], here[x], below1[x], below2[x]);
  }
  repeat_row_ends(sums, s.width);
  for (int x = 0; x < s.width; ++x) {
    smoothed[x] = binomial(sums[x - 2], sums[x - 1], sums[x], sums[x + 1], sums[x + 2]);
  }
}

// The 2x2 systems of one row. Sums carry 12 * 12 * 256 (xx, xy, yy) and 12 * 256 (xt, yt); the
// quotient of the two is the 12 below. Without branches, so that it runs several pixels at a time.
MUSTER_INLINED void solve_row(const Scratch& s, double threshold, float* __restrict vectors) {
  const int32_t* __restrict sum_xx = s.smoothed.data();
  const int32_t* __restrict sum_xy = sum_xx + s.width;
  const int32_t* __restrict sum_yy = sum_xy + s.width;
  const int32_t* __restrict sum_xt = sum_yy + s.width;
  const int32_t* __restrict sum_yt = sum_xt + s.width;
  for (int x = 0; x < s.width; ++x) {
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

// Row by row, so that what is worked on stays in the first cache.
MUSTER_INLINED void run(const uint8_t* previous_rgb, const uint8_t* current_rgb, int height,
                        int width, double noise_threshold, float* vectors) {
  Scratch s(height, width);
  for (int y = 0; y < height; ++y) {
    const size_t offset = size_t(y) * width * 3;
    grey_row_of(previous_rgb + offset, width, s.grey_row(s.previous, y));
    grey_row_of(current_rgb + offset, width, s.grey_row(s.current, y));
    repeat_row_ends(s.grey_row(s.current, y), width);
  }
  int ready = 0;  // rows of products
  for (int y = 0; y < height; ++y) {
    for (; ready <= s.inside(y + 2); ++ready) products_of_row(s, ready);
    for (int product = 0; product < kProducts; ++product) smooth_row(s, product, y);
    solve_row(s, noise_threshold * (12 * 12 * 256), vectors + size_t(y) * width * 2);
  }
}

void run_baseline(const uint8_t* previous_rgb, const uint8_t* current_rgb, int height, int width,
                  double noise_threshold, float* vectors) {
  run(previous_rgb, current_rgb, height, width, noise_threshold, vectors);
}

#if defined(__x86_64__)
// AVX-512 was tried: no faster.
__attribute__((target("avx2"))) void run_avx2(const uint8_t* previous_rgb,
                                              const uint8_t* current_rgb, int height, int width,
                                              double noise_threshold, float* vectors) {
  run(previous_rgb, current_rgb, height, width, noise_threshold, vectors);
}
#endif

}  // namespace

const std::vector<FlowKernel>& flow_kernels() {
  static const std::vector<FlowKernel> kernels = [] {
    std::vector<FlowKernel> usable;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) usable.push_back({"avx2", run_avx2});
#endif
    usable.push_back({"baseline", run_baseline});
    return usable;
  }();
  return kernels;
}

}  // namespace muster::datastore
