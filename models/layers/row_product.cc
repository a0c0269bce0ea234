#include "models/layers/row_product.h"

#include <ATen/ATen.h>

namespace muster::models {
namespace {

// torch leaves a 1x1 convolution to oneDNN from 16 images on. The least number of images that
// shares the rows out evenly; 0: none, or too few rows for oneDNN's reordering of weights to pay.
int64_t images_of(const at::Tensor& rows) {
  constexpr int64_t kLeastRows = 256, kLeastImages = 16, kMostImages = 64;
  if (!rows.is_cpu() || rows.scalar_type() != at::kFloat || rows.size(0) < kLeastRows) return 0;
  for (int64_t images = kLeastImages; images <= kMostImages; ++images) {
    if (rows.size(0) % images == 0) return images;
  }
  return 0;
}

// [rows, channels] seen as [images, channels, rows / images, 1], channels last.
at::Tensor as_images(const at::Tensor& rows, int64_t images) {
  return rows.contiguous()
      .view({images, rows.size(0) / images, 1, rows.size(1)})
      .permute({0, 3, 1, 2});
}

at::Tensor as_rows(const at::Tensor& maps) {
  return maps.permute({0, 2, 3, 1}).contiguous().view({-1, maps.size(1)});
}

at::Tensor as_kernels(const at::Tensor& weight) { return weight.unsqueeze(2).unsqueeze(3); }

}  // namespace

at::Tensor row_product(const at::Tensor& rows, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t images = images_of(rows);
  if (images == 0) return at::linear(rows, weight, bias);
  return as_rows(at::conv2d(as_images(rows, images), as_kernels(weight), bias));
}

RowProductGradients row_product_gradients(const at::Tensor& of_result, const at::Tensor& rows,
                                          const at::Tensor& weight) {
  const int64_t images = images_of(rows);
  if (images == 0) return {of_result.mm(weight), of_result.t().mm(rows), of_result.sum(0)};
  const auto [of_maps, of_kernels, of_bias] = at::convolution_backward(
      as_images(of_result, images), as_images(rows, images), as_kernels(weight),
      at::IntArrayRef{weight.size(0)}, {1, 1}, {0, 0}, {1, 1}, /*transposed=*/false, {0, 0},
      /*groups=*/1, {true, true, true});
  return {as_rows(of_maps), of_kernels.reshape(weight.sizes()), of_bias};
}

}  // namespace muster::models
