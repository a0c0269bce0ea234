#include "tests/models/naive_resnet50.h"

#include <algorithm>

namespace muster::models::naive {

Maps ResNet50::unit(const Maps& in, const std::string& convolved, const std::string& normalised,
                    int64_t kernel, int64_t stride) const {
  const Maps out = convolution(in, weights, prefix + convolved, kernel, stride, kernel / 2);
  return batch_norm(out, weights, prefix + normalised, 1e-5);
}

// The largest of 3x3 around every second place. No value is below 0, which is outside.
Maps ResNet50::stem(const Maps& image) const {
  const Maps in = rectified(unit(image, "conv1", "bn1", 7, 2));
  Maps out(in.channels, in.height / 2, in.width / 2);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        double& largest = out.at(c, y, x);
        for (int64_t i = 0; i < 9; ++i) {
          largest = std::max(largest, in.zero_padded(c, 2 * y - 1 + i / 3, 2 * x - 1 + i % 3));
        }
      }
    }
  }
  return out;
}

Maps ResNet50::block(const Maps& in, const std::string& name) const {
  // The first block of a layer projects its input; those of layers 2 to 4 halve it besides.
  const bool first = name.substr(name.size() - 2) == ".0";
  const int64_t stride = first && name != "layer1.0" ? 2 : 1;
  Maps maps = rectified(unit(in, name + ".conv1", name + ".bn1", 1, 1));
  maps = rectified(unit(maps, name + ".conv2", name + ".bn2", 3, stride));
  maps = unit(maps, name + ".conv3", name + ".bn3", 1, 1);
  const Maps other =
      first ? unit(in, name + ".downsample.0", name + ".downsample.1", 1, stride) : in;
  for (size_t i = 0; i < maps.values.size(); ++i) maps.values[i] += other.values[i];
  return rectified(maps);
}

}  // namespace muster::models::naive
