// Compiled with -ffp-contract=off and -fno-math-errno (CMakeLists.txt): the first keeps results
// equal on every processor, the second lets square roots be taken several at a time.
#include "datastore/flow_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
void grey_row_baseline(const uint8_t* __restrict rgb, int width, int16_t* __restrict row) {
  for (int x = 0; x < width; ++x) {
    const uint32_t thousandths =
        299u * rgb[3 * x] + 587u * rgb[3 * x + 1] + 114u * rgb[3 * x + 2] + 500u;
    row[x] = int16_t(((thousandths >> 3) * 134218u) >> 24);
  }
}

using GreyRow = void (*)(const uint8_t* rgb, int width, int16_t* row);

#if defined(__x86_64__)
// The same, 16 pixels at a time.
__attribute__((target("avx2"))) void grey_row_avx2(const uint8_t* rgb, int width, int16_t* row) {
  const auto channel = [&](__m128i a, __m128i b, __m128i c, const int8_t(&from)[3][16])
      __attribute__((target("avx2"))) {
    const auto picked = [&](__m128i bytes, int part) __attribute__((target("avx2"))) {
      return _mm_shuffle_epi8(bytes, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[part])));
    };
    return _mm256_cvtepu8_epi16(
        _mm_or_si128(picked(a, 0), _mm_or_si128(picked(b, 1), picked(c, 2))));
  };
  // Where a channel's bytes lie in three blocks of 16; -1 gives 0.
  static constexpr int8_t kRed[3][16] = {
      {0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
      {-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1},
      {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13}};
  static constexpr int8_t kGreen[3][16] = {
      {1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
      {-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1},
      {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14}};
  static constexpr int8_t kBlue[3][16] = {
      {2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
      {-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1},
      {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15}};
  const __m256i red_green = _mm256_set1_epi32((587 << 16) | 299);
  const __m256i blue_rounding = _mm256_set1_epi32((500 << 16) | 114);
  const __m256i ones = _mm256_set1_epi16(1), reciprocal = _mm256_set1_epi32(134218);
  const auto levels = [&](__m256i pairs_red_green, __m256i pairs_blue_one)
      __attribute__((target("avx2"))) {
    const __m256i thousandths = _mm256_add_epi32(_mm256_madd_epi16(pairs_red_green, red_green),
                                                 _mm256_madd_epi16(pairs_blue_one, blue_rounding));
    return _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_srli_epi32(thousandths, 3), reciprocal), 24);
  };
  int x = 0;
  for (; x + 16 <= width; x += 16) {
    const auto* block = reinterpret_cast<const __m128i*>(rgb + 3 * x);
    const __m128i a = _mm_loadu_si128(block), b = _mm_loadu_si128(block + 1),
                  c = _mm_loadu_si128(block + 2);
    const __m256i red = channel(a, b, c, kRed), green = channel(a, b, c, kGreen),
                  blue = channel(a, b, c, kBlue);
    const __m256i low =
        levels(_mm256_unpacklo_epi16(red, green), _mm256_unpacklo_epi16(blue, ones));
    const __m256i high =
        levels(_mm256_unpackhi_epi16(red, green), _mm256_unpackhi_epi16(blue, ones));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + x), _mm256_packus_epi32(low, high));
  }
  grey_row_baseline(rgb + 3 * x, width - x, row + x);
}
#endif

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
#pragma GCC ivdep
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

// A pixel where only the larger eigenvalue reaches the threshold moves along its eigenvector, on
// which (A - smaller I) / (larger - smaller) projects; where neither does, not at all.
inline void solve_unsolvable(double xx, double xy, double yy, double xt, double yt,
                             double threshold, float* vector) {
  const double mean = 0.5 * (xx + yy), half_difference = 0.5 * (xx - yy);
  const double radius = std::sqrt(half_difference * half_difference + xy * xy);
  const double larger = mean + radius, smaller = mean - radius;
  vector[0] = vector[1] = 0;
  if (larger < threshold || radius == 0) return;
  const double scale = -12.0 / (2 * radius * larger);
  vector[0] = static_cast<float>(((xx - smaller) * xt + xy * yt) * scale);
  vector[1] = static_cast<float>((xy * xt + (yy - smaller) * yt) * scale);
}

// The 2x2 systems of one row. Sums carry 12 * 12 * 256 (xx, xy, yy) and 12 * 256 (xt, yt); the
// quotient of the two is the 12 below. The smaller eigenvalue is mean - radius; whether it reaches
// the threshold is asked without a square root. Numerators and determinant are double, because
// they are small differences of large products; their quotient is float.
MUSTER_INLINED void solve_row(Scratch& s, double threshold, float* __restrict vectors) {
  const int32_t* __restrict sum_xx = s.smoothed.data();
  const int32_t* __restrict sum_xy = sum_xx + s.width;
  const int32_t* __restrict sum_yy = sum_xy + s.width;
  const int32_t* __restrict sum_xt = sum_yy + s.width;
  const int32_t* __restrict sum_yt = sum_xt + s.width;
  int32_t unsolvable = 0;
  for (int x = 0; x < s.width; ++x) {
    const double xx = sum_xx[x], xy = sum_xy[x], yy = sum_yy[x], xt = sum_xt[x], yt = sum_yt[x];
    const double half_difference = 0.5 * (xx - yy), above = 0.5 * (xx + yy) - threshold;
    const bool solvable =
        (above >= 0) & (above * above >= half_difference * half_difference + xy * xy);
    const float scale = solvable ? -12.0f / static_cast<float>(xx * yy - xy * xy) : 0.0f;
    vectors[2 * x] = static_cast<float>(yy * xt - xy * yt) * scale;
    vectors[2 * x + 1] = static_cast<float>(xx * yt - xy * xt) * scale;
    unsolvable += scale == 0.0f ? 1 : 0;
  }
  if (unsolvable == 0) return;
  for (int x = 0; x < s.width; ++x) {
    const double half_difference = 0.5 * (double(sum_xx[x]) - sum_yy[x]);
    const double above = 0.5 * (double(sum_xx[x]) + sum_yy[x]) - threshold;
    const double xy = sum_xy[x];
    if (above >= 0 && above * above >= half_difference * half_difference + xy * xy) continue;
    solve_unsolvable(sum_xx[x], xy, sum_yy[x], sum_xt[x], sum_yt[x], threshold, vectors + 2 * x);
  }
}

// Row by row, so that what is worked on stays in the first cache.
MUSTER_INLINED void run(const uint8_t* previous_rgb, const uint8_t* current_rgb, int height,
                        int width, double noise_threshold, GreyRow grey_row, float* vectors) {
  Scratch s(height, width);
  for (int y = 0; y < height; ++y) {
    const size_t offset = size_t(y) * width * 3;
    grey_row(previous_rgb + offset, width, s.grey_row(s.previous, y));
    grey_row(current_rgb + offset, width, s.grey_row(s.current, y));
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
  run(previous_rgb, current_rgb, height, width, noise_threshold, grey_row_baseline, vectors);
}

#if defined(__x86_64__)
// AVX-512 was tried: no faster.
__attribute__((target("avx2"))) void run_avx2(const uint8_t* previous_rgb,
                                              const uint8_t* current_rgb, int height, int width,
                                              double noise_threshold, float* vectors) {
  run(previous_rgb, current_rgb, height, width, noise_threshold, grey_row_avx2, vectors);
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
