#include "tests/models/naive_auxiliary_head.h"

#include <algorithm>

namespace muster::models::naive {
namespace {

// Windows of 5, a step of 3; of maps below 5x5 the mean over all places.
Maps auxiliary_mean_pool(const Maps& in) {
  const bool small = in.height < 5;
  const int64_t kernel = small ? in.height : 5, side = small ? 1 : (in.height - 5) / 3 + 1;
  Maps out(in.channels, side, side);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        double sum = 0;
        for (int64_t i = 0; i < kernel * kernel; ++i) {
          sum += in.zero_padded(c, 3 * y + i / kernel, 3 * x + i % kernel);
        }
        out.at(c, y, x) = sum / static_cast<double>(kernel * kernel);
      }
    }
  }
  return out;
}

}  // namespace

Values auxiliary_head(const Maps& in, const Weights& weights, const std::string& prefix) {
  const Maps reduced = rectified(
      batch_norm(convolution(auxiliary_mean_pool(in), weights, prefix + "conv.conv", 1, 1, 0),
                 weights, prefix + "conv.bn", 1e-5));
  Values hidden = linear(reduced.values, weights, prefix + "fc");
  for (double& value : hidden) value = std::max(0.0, value);
  return linear(hidden, weights, prefix + "classifier");
}

}  // namespace muster::models::naive
