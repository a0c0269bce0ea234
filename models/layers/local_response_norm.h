// Local response normalisation across channels, as Caffe's networks have it.
#pragma once

#include <ATen/core/Tensor.h>

namespace muster::models {

// y_c = x_c / (1 + 1e-4 / 5 * sum of x_j^2 over j = c - 2 .. c + 2)^0.75; channels beyond the ends
// count as zero. `maps` is [images, channels, height, width], any number of images.
at::Tensor local_response_norm(const at::Tensor& maps);

}  // namespace muster::models
