#include "models/stal/roi_pooling.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "common/error.h"
#include "models/layers/autocast.h"

namespace muster::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct RoiSizes {
  int64_t parts, images, channels, height, width, size;
};

// Bounds along one side of the bins of a box from `first` to `last`.
void fill_bins(int64_t first, int64_t last, int64_t size, std::vector<int64_t>& begin,
               std::vector<int64_t>& end) {
  const int64_t length = last - first + 1;
  for (int64_t i = 0; i < size; ++i) {
    begin[static_cast<size_t>(i)] = first + i * length / size;
    end[static_cast<size_t>(i)] = first + ((i + 1) * length + size - 1) / size;
  }
}

// All channels of one image in one box. `winners`, if there: the place on the map of each maximum.
template <typename Value>
void pool_box(const RoiSizes& sizes, const Value* maps, const int64_t* place, Value* out,
              int32_t* winners) {
  const auto side = static_cast<size_t>(sizes.size);
  std::vector<int64_t> left(side), right(side), top(side), bottom(side);
  fill_bins(place[0], place[2], sizes.size, left, right);
  fill_bins(place[1], place[3], sizes.size, top, bottom);
  for (int64_t channel = 0; channel < sizes.channels; ++channel) {
    const Value* map = maps + channel * sizes.height * sizes.width;
    for (size_t v = 0; v < side; ++v) {
      for (size_t u = 0; u < side; ++u) {
        int64_t winner = top[v] * sizes.width + left[u];
        for (int64_t y = top[v]; y < bottom[v]; ++y) {
          for (int64_t x = left[u]; x < right[u]; ++x) {
            const int64_t other = y * sizes.width + x;
            // A value that is not a number wins, as in torch's pools.
            if (map[other] > map[winner] || std::isnan(map[other])) winner = other;
          }
        }
        *out++ = map[winner];
        if (winners != nullptr) *winners++ = static_cast<int32_t>(winner);
      }
    }
  }
}

template <typename Value>
void pool_all(const RoiSizes& sizes, const Value* maps, const int64_t* places, Value* out,
              int32_t* winners) {
  const int64_t box = sizes.channels * sizes.size * sizes.size;
  at::parallel_for(0, sizes.parts * sizes.images, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      pool_box(sizes, maps + i % sizes.images * sizes.channels * sizes.height * sizes.width,
               places + 4 * i, out + i * box, winners == nullptr ? nullptr : winners + i * box);
    }
  });
}

// Gradients of an image's maps come from all parts.
template <typename Value>
void scatter_all(const RoiSizes& sizes, const Value* gradients, const int32_t* winners,
                 Value* of_maps) {
  const int64_t map = sizes.height * sizes.width, bins = sizes.size * sizes.size;
  const int64_t planes = sizes.images * sizes.channels;
  at::parallel_for(0, planes, 16, [&](int64_t begin, int64_t end) {
    for (int64_t part = 0; part < sizes.parts; ++part) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t start = (part * planes + plane) * bins;
        for (int64_t bin = 0; bin < bins; ++bin) {
          of_maps[plane * map + winners[start + bin]] += gradients[start + bin];
        }
      }
    }
  });
}

struct RoiMaxPool : torch::autograd::Function<RoiMaxPool> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& maps,
                            const at::Tensor& places, int64_t size, bool with_gradient) {
    const RoiSizes sizes{places.size(0), maps.size(0), maps.size(1),
                         maps.size(2),   maps.size(3), size};
    const at::Tensor values = maps.contiguous(), boxes = places.contiguous();
    const std::vector<int64_t> shape = {sizes.parts, sizes.images, sizes.channels, size, size};
    const at::Tensor out = at::empty(shape, values.options());
    at::Tensor winners;
    if (with_gradient) winners = at::empty(shape, values.options().dtype(at::kInt));
    AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "roi_max_pool", [&] {
      pool_all(sizes, values.data_ptr<scalar_t>(), boxes.data_ptr<int64_t>(),
               out.data_ptr<scalar_t>(), with_gradient ? winners.data_ptr<int32_t>() : nullptr);
    });
    context->save_for_backward({winners});
    context->saved_data["shape"] = maps.sizes().vec();
    return out;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const at::Tensor winners = context->get_saved_variables()[0];
    const std::vector<int64_t> shape = context->saved_data["shape"].toIntVector();
    const at::Tensor gradient = gradients[0].contiguous();
    const RoiSizes sizes{winners.size(0), shape[0], shape[1], shape[2], shape[3], winners.size(4)};
    const at::Tensor of_maps = at::zeros(shape, gradient.options());
    AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "roi_max_pool_backward", [&] {
      scatter_all(sizes, gradient.data_ptr<scalar_t>(), winners.data_ptr<int32_t>(),
                  of_maps.data_ptr<scalar_t>());
    });
    return {of_maps, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void require_places(const at::Tensor& maps, const at::Tensor& places) {
  MUSTER_REQUIRE(maps.dim(), ==, 4);
  MUSTER_REQUIRE(places.dim(), ==, 3);
  MUSTER_REQUIRE(places.size(1), ==, maps.size(0));
  MUSTER_REQUIRE(places.size(2), ==, 4);
  if (places.numel() == 0) return;
  const at::Tensor first = places.narrow(2, 0, 2), last = places.narrow(2, 2, 2);
  MUSTER_REQUIRE(first.min().item<int64_t>(), >=, 0);
  MUSTER_REQUIRE((last - first).min().item<int64_t>(), >=, 0);
  MUSTER_REQUIRE(last.select(2, 0).max().item<int64_t>(), <, maps.size(3));
  MUSTER_REQUIRE(last.select(2, 1).max().item<int64_t>(), <, maps.size(2));
}

}  // namespace

at::Tensor places_of_boxes(const at::Tensor& boxes, double scale, int64_t height, int64_t width) {
  MUSTER_REQUIRE(boxes.size(-1), ==, 4);
  if (boxes.isnan().any().item<bool>()) {
    throw common::InputError("boxes of body parts", "a coordinate is not a number",
                             "correct the file of boxes or joints");
  }
  const at::NoGradGuard constants;
  const at::Tensor last =
      at::tensor({width - 1, height - 1}, boxes.options());  // of columns, of rows
  const auto rounded = [&](const at::Tensor& corner) {
    return at::minimum((corner * scale + 0.5).floor().clamp_min(0), last).to(at::kLong);
  };
  const at::Tensor first = rounded(boxes.narrow(-1, 0, 2));
  return at::cat({first, at::maximum(rounded(boxes.narrow(-1, 2, 2)), first)}, -1);
}

at::Tensor roi_max_pool(const at::Tensor& input, const at::Tensor& places, int64_t size) {
  if (!input.device().is_cpu()) return roi_max_pool_by_crops(input, places, size);
  require_places(input, places);
  const at::Tensor maps = in_full_precision(input);
  return RoiMaxPool::apply(maps, places, size, at::GradMode::is_enabled() && maps.requires_grad());
}

at::Tensor roi_max_pool_by_crops(const at::Tensor& maps, const at::Tensor& places, int64_t size) {
  require_places(maps, places);
  const int64_t parts = places.size(0), images = maps.size(0);
  if (parts * images == 0) {
    // Part of the graph all the same.
    return maps.sum() * at::zeros({parts, images, maps.size(1), size, size}, maps.options());
  }
  const std::vector<at::Tensor> map = maps.unbind(0);
  const at::Tensor boxes = places.cpu().contiguous();
  const auto* box = boxes.data_ptr<int64_t>();
  std::vector<at::Tensor> pooled;
  for (int64_t i = 0; i < parts * images; ++i, box += 4) {
    const at::Tensor crop = map[static_cast<size_t>(i % images)]
                                .narrow(2, box[0], box[2] - box[0] + 1)
                                .narrow(1, box[1], box[3] - box[1] + 1);
    pooled.push_back(std::get<0>(at::adaptive_max_pool2d(crop, {size, size})));
  }
  return at::stack(pooled).view({parts, images, maps.size(1), size, size});
}

}  // namespace muster::models
