#include "tests/models/naive_bn_inception.h"

namespace muster::models::naive {
namespace {

// 3x3, the places beyond the border count.
Maps average_pool(const Maps& in) {
  Maps out(in.channels, in.height, in.width);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t x = 0; x < in.width; ++x) {
        double sum = 0;
        for (int64_t v = -1; v <= 1; ++v) {
          for (int64_t u = -1; u <= 1; ++u) sum += in.zero_padded(c, y + v, x + u);
        }
        out.at(c, y, x) = sum / 9;
      }
    }
  }
  return out;
}

}  // namespace

Maps BnInception::unit(const Maps& in, const std::string& name, int64_t kernel, int64_t stride,
                       int64_t padding) const {
  const std::string path = prefix + name;
  const Maps out = convolution(in, weights, path + ".conv", kernel, stride, padding);
  return rectified(batch_norm(out, weights, path + ".bn", 1e-5));
}

Maps BnInception::block(const Maps& in, const std::string& name) const {
  const std::string path = "inception" + name + ".";
  const bool halves = name == "3c" || name == "4e";
  const int64_t stride = halves ? 2 : 1;
  const Maps three = unit(unit(in, path + "three.0", 1, 1, 0), path + "three.1", 3, stride, 1);
  const Maps doubled = unit(unit(unit(in, path + "double.0", 1, 1, 0), path + "double.1", 3, 1, 1),
                            path + "double.2", 3, stride, 1);
  if (halves) return side_by_side({three, doubled, max_pool(in, 3, 2, 0)});
  const Maps pooled = name == "5b" ? max_pool(in, 3, 1, 1) : average_pool(in);
  return side_by_side(
      {unit(in, path + "one", 1, 1, 0), three, doubled, unit(pooled, path + "pool", 1, 1, 0)});
}

Maps BnInception::early(const Maps& image) const {
  Maps maps = max_pool(unit(image, "conv1", 7, 2, 3), 3, 2, 0);
  maps = unit(unit(maps, "conv2_reduce", 1, 1, 0), "conv2", 3, 1, 1);
  maps = max_pool(maps, 3, 2, 0);
  for (const char* name : {"3a", "3b", "3c"}) maps = block(maps, name);
  return maps;
}

Maps BnInception::low(const Maps& image) const { return block(block(early(image), "4a"), "4b"); }

}  // namespace muster::models::naive
