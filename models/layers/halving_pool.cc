#include "models/layers/halving_pool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "common/error.h"

namespace muster::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr int64_t kPixelsOfTask = int64_t{1} << 15;

// Of planes, one behind the other.
struct PoolSize {
  int64_t planes, height, width;  // of the input, pixels
  int64_t out_height() const { return height / 2; }
  int64_t out_width() const { return width / 2; }
};

PoolSize pool_size(at::IntArrayRef sizes) { return {sizes[0] * sizes[1], sizes[2], sizes[3]}; }

void for_planes(const PoolSize& size, const std::function<void(int64_t plane)>& function) {
  const int64_t pixels = std::max<int64_t>(1, size.height * size.width);
  at::parallel_for(0, size.planes, std::max<int64_t>(1, kPixelsOfTask / pixels),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t plane = begin; plane < end; ++plane) function(plane);
                   });
}

// The next pixel of a square takes the place of the largest so far.
template <typename T>
inline void compare(T pixel, int32_t number, T& largest, int32_t& place) {
  const bool larger = (pixel > largest) | (pixel != pixel);
  largest = larger ? pixel : largest;
  place = larger ? number : place;
}

// One row of squares; `places`: which of its four pixels was taken, in reading order.
template <typename T>
void pool_row(const T* __restrict upper, const T* __restrict lower, int64_t squares,
              T* __restrict out, int32_t* __restrict places) {
  for (int64_t x = 0; x < squares; ++x) {
    T largest = upper[2 * x];
    int32_t place = 0;
    compare(upper[2 * x + 1], 1, largest, place);
    compare(lower[2 * x], 2, largest, place);
    compare(lower[2 * x + 1], 3, largest, place);
    out[x] = largest;
    places[x] = place;
  }
}

template <typename T>
void spread_row(const T* __restrict gradient, const int32_t* __restrict places, int64_t squares,
                T* __restrict upper, T* __restrict lower) {
  for (int64_t x = 0; x < squares; ++x) {
    upper[2 * x] = places[x] == 0 ? gradient[x] : T(0);
    upper[2 * x + 1] = places[x] == 1 ? gradient[x] : T(0);
    lower[2 * x] = places[x] == 2 ? gradient[x] : T(0);
    lower[2 * x + 1] = places[x] == 3 ? gradient[x] : T(0);
  }
}

template <typename T>
void pool(const PoolSize& size, const T* maps, T* out, int32_t* places) {
  for_planes(size, [&](int64_t plane) {
    for (int64_t y = 0; y < size.out_height(); ++y) {
      const T* const upper = maps + (plane * size.height + 2 * y) * size.width;
      const int64_t row = (plane * size.out_height() + y) * size.out_width();
      pool_row(upper, upper + size.width, size.out_width(), out + row, places + row);
    }
  });
}

template <typename T>
void spread(const PoolSize& size, const T* gradient, const int32_t* places, T* result) {
  for_planes(size, [&](int64_t plane) {
    for (int64_t y = 0; y < size.out_height(); ++y) {
      T* const upper = result + (plane * size.height + 2 * y) * size.width;
      const int64_t row = (plane * size.out_height() + y) * size.out_width();
      spread_row(gradient + row, places + row, size.out_width(), upper, upper + size.width);
      if (size.width % 2 != 0) upper[size.width - 1] = upper[2 * size.width - 1] = 0;
    }
    T* const end = result + (plane + 1) * size.height * size.width;
    if (size.height % 2 != 0) std::fill(end - size.width, end, T(0));
  });
}

struct HalvingPool : torch::autograd::Function<HalvingPool> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given) {
    const at::Tensor maps = given.contiguous();
    const PoolSize size = pool_size(maps.sizes());
    const at::Tensor out = at::empty(
        {maps.size(0), maps.size(1), size.out_height(), size.out_width()}, maps.options());
    const at::Tensor places = at::empty(out.sizes(), maps.options().dtype(at::kInt));
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "halving_pool", [&] {
      pool(size, maps.data_ptr<scalar_t>(), out.data_ptr<scalar_t>(), places.data_ptr<int32_t>());
    });
    context->save_for_backward({places});
    context->saved_data["sizes"] = maps.sizes().vec();
    return out;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const at::Tensor places = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous();
    const std::vector<int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor result = at::empty(sizes, gradient.options());
    AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "halving_pool", [&] {
      spread(pool_size(sizes), gradient.data_ptr<scalar_t>(), places.data_ptr<int32_t>(),
             result.data_ptr<scalar_t>());
    });
    return {result};
  }
};

}  // namespace

at::Tensor halving_pool(const at::Tensor& maps) {
  MUSTER_REQUIRE(maps.dim(), ==, 4);
  const bool ours =
      maps.is_cpu() && (maps.scalar_type() == at::kFloat || maps.scalar_type() == at::kDouble);
  return ours && maps.numel() > 0 ? HalvingPool::apply(maps) : at::max_pool2d(maps, {2, 2});
}

}  // namespace muster::models
