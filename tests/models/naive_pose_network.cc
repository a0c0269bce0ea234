#include "tests/models/naive_pose_network.h"

#include "tests/models/naive_bn_inception.h"

namespace muster::models::naive {

Maps transposed_convolution(const Maps& in, const Weights& weights, const std::string& name,
                            int64_t kernel, int64_t stride, int64_t padding) {
  const Values& weight = weights.at(name + ".weight");
  const int64_t channels = static_cast<int64_t>(weight.size()) / (in.channels * kernel * kernel);
  Maps out(channels, (in.height - 1) * stride - 2 * padding + kernel,
           (in.width - 1) * stride - 2 * padding + kernel);
  for (int64_t k = 0; k < in.channels; ++k) {
    for (int64_t o = 0; o < channels; ++o) {
      for (int64_t y = 0; y < out.height; ++y) {
        for (int64_t x = 0; x < out.width; ++x) {
          for (int64_t v = 0; v < in.height; ++v) {
            for (int64_t u = 0; u < in.width; ++u) {
              const int64_t row = y + padding - stride * v, column = x + padding - stride * u;
              if (row < 0 || row >= kernel || column < 0 || column >= kernel) continue;
              const auto place =
                  static_cast<size_t>(((k * channels + o) * kernel + row) * kernel + column);
              out.at(o, y, x) += in.zero_padded(k, v, u) * weight[place];
            }
          }
        }
      }
    }
  }
  return out;
}

Maps heat_maps(const Maps& image, const Weights& weights) {
  Maps maps = BnInception{weights, "backbone."}.low(image);
  for (const std::string name : {"deconvolution1", "deconvolution2"}) {
    maps = transposed_convolution(maps, weights, name + ".conv", 4, 2, 1);
    maps = rectified(batch_norm(maps, weights, name + ".bn", 1e-5));
  }
  return convolution(maps, weights, "heat_maps", 1, 1, 0);
}

}  // namespace muster::models::naive
