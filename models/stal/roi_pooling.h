// ROI max-pooling (Girshick 2015, as Caffe has it): maps of one size of boxes of any size.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// Places on a map of boxes [..., 4] (x0, y0, x1, y1 in pixels of the picture): int64 [..., 4],
// first and last column and row, both of which belong to the box. Coordinates times `scale` are
// rounded (halves up), clipped to the map, and the last is at least the first. Throws InputError if
// a coordinate is not a number.
at::Tensor places_of_boxes(const at::Tensor& boxes, double scale, int64_t height, int64_t width);

// [parts, images, channels, size, size] of maps [images, channels, height, width] and places
// [parts, images, 4] inside of them:
//   y[r, i, c, v, u] = max of maps[i, c] over rows y0 + floor(v h / size) to before
//                      y0 + ceil((v + 1) h / size), h = y1 - y0 + 1, and columns likewise
// The gradient goes to the first place, row by row, that holds the maximum. Any number of images;
// differentiable once, in maps.
at::Tensor roi_max_pool(const at::Tensor& maps, const at::Tensor& places, int64_t size);

// The same, a crop at a time by torch's adaptive pool: for devices other than the CPU.
at::Tensor roi_max_pool_by_crops(const at::Tensor& maps, const at::Tensor& places, int64_t size);

}  // namespace muster::models
