#include "models/layers/batch_norm_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr int64_t kValuesOfTask = int64_t{1} << 15;

// [channels], spread over [1, channels, 1, ...].
at::Tensor spread_over(const at::Tensor& of_channels, const at::Tensor& values) {
  std::vector<int64_t> shape(static_cast<size_t>(values.dim()), 1);
  shape[1] = of_channels.size(0);
  return of_channels.view(shape);
}

template <typename T>
void one_plane(const T* __restrict gradient, const T* __restrict values, int64_t count, T scale,
               T offset, T slope, T mean, T* __restrict result) {
  for (int64_t i = 0; i < count; ++i) {
    result[i] = scale * (gradient[i] - offset - slope * (values[i] - mean));
  }
}

template <typename T>
void all_planes(const at::Tensor& gradient, const at::Tensor& values, const at::Tensor& scale,
                const at::Tensor& offset, const at::Tensor& slope, const at::Tensor& mean,
                at::Tensor& result) {
  const int64_t channels = values.size(1), planes = values.size(0) * channels;
  const int64_t plane_size = values.numel() / planes;
  const T *g = gradient.data_ptr<T>(), *v = values.data_ptr<T>(), *s = scale.data_ptr<T>(),
          *o = offset.data_ptr<T>(), *k = slope.data_ptr<T>(), *m = mean.data_ptr<T>();
  T* const out = result.data_ptr<T>();
  const int64_t planes_of_task = std::max<int64_t>(1, kValuesOfTask / plane_size);
  at::parallel_for(0, planes, planes_of_task, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t channel = plane % channels, first = plane * plane_size;
      one_plane(g + first, v + first, plane_size, s[channel], o[channel], k[channel], m[channel],
                out + first);
    }
  });
}

}  // namespace

at::Tensor batch_norm_gradient(const at::Tensor& gradient, const at::Tensor& values,
                               const at::Tensor& scale, const at::Tensor& offset,
                               const at::Tensor& slope, const at::Tensor& mean) {
  MUSTER_REQUIRE(gradient.numel(), ==, values.numel());
  if (!values.is_cpu()) {
    return spread_over(scale, values) *
           (gradient - spread_over(offset, values) -
            spread_over(slope, values) * (values - spread_over(mean, values)));
  }
  at::Tensor result = at::empty(values.sizes(), values.options());
  if (values.numel() == 0) return result;
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "batch_norm_gradient", [&] {
    all_planes<scalar_t>(gradient.contiguous(), values.contiguous(), scale.contiguous(),
                         offset.contiguous(), slope.contiguous(), mean.contiguous(), result);
  });
  return result;
}

}  // namespace muster::models
