#include "tests/models/naive_pose_network.h"

#include <algorithm>

namespace muster::models::naive {
namespace {

constexpr double kPoseEpsilon = 1e-5;

Maps pose_unit(const Maps& in, const Weights& weights, const std::string& name, int64_t kernel,
               int64_t stride = 1) {
  const Maps maps = convolution(in, weights, name + ".conv", kernel, stride, kernel / 2);
  return rectified(batch_norm(maps, weights, name + ".bn", kPoseEpsilon));
}

// Zeros beyond the border count.
Maps pose_average(const Maps& in) {
  Maps out(in.channels, in.height, in.width);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t x = 0; x < in.width; ++x) {
        for (int64_t v = -1; v <= 1; ++v) {
          for (int64_t u = -1; u <= 1; ++u) {
            out.at(c, y, x) += in.zero_padded(c, y + v, x + u) / 9;
          }
        }
      }
    }
  }
  return out;
}

// 3x3/2, pad 0, the last window cut off at the border.
Maps pose_halved(const Maps& in) {
  Maps out(in.channels, in.height / 2, in.width / 2);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        double largest = in.zero_padded(c, 2 * y, 2 * x);
        for (int64_t v = 2 * y; v < std::min(in.height, 2 * y + 3); ++v) {
          for (int64_t u = 2 * x; u < std::min(in.width, 2 * x + 3); ++u) {
            largest = std::max(largest, in.zero_padded(c, v, u));
          }
        }
        out.at(c, y, x) = largest;
      }
    }
  }
  return out;
}

Maps pose_joined(const std::vector<Maps>& parts) {
  int64_t channels = 0;
  for (const Maps& part : parts) channels += part.channels;
  Maps all(channels, parts[0].height, parts[0].width);
  all.values.clear();
  for (const Maps& part : parts) {
    all.values.insert(all.values.end(), part.values.begin(), part.values.end());
  }
  return all;
}

Maps pose_inception(const Maps& in, const Weights& weights, const std::string& name,
                    int64_t stride) {
  const auto branch = [&](const std::string& unit_name) { return name + "." + unit_name; };
  const Maps three = pose_unit(pose_unit(in, weights, branch("three.0"), 1), weights,
                               branch("three.1"), 3, stride);
  const Maps inner =
      pose_unit(pose_unit(in, weights, branch("double.0"), 1), weights, branch("double.1"), 3);
  const Maps doubled = pose_unit(inner, weights, branch("double.2"), 3, stride);
  if (stride == 2) return pose_joined({three, doubled, pose_halved(in)});
  return pose_joined({pose_unit(in, weights, branch("one"), 1), three, doubled,
                      pose_unit(pose_average(in), weights, branch("pool"), 1)});
}

}  // namespace

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
  Maps maps = pose_halved(pose_unit(image, weights, "backbone.conv1", 7, 2));
  maps =
      pose_unit(pose_unit(maps, weights, "backbone.conv2_reduce", 1), weights, "backbone.conv2", 3);
  maps = pose_halved(maps);
  for (const std::string block : {"3a", "3b", "3c", "4a", "4b"}) {
    maps = pose_inception(maps, weights, "backbone.inception" + block, block == "3c" ? 2 : 1);
  }
  for (const std::string name : {"deconvolution1", "deconvolution2"}) {
    maps = transposed_convolution(maps, weights, name + ".conv", 4, 2, 1);
    maps = rectified(batch_norm(maps, weights, name + ".bn", kPoseEpsilon));
  }
  return convolution(maps, weights, "heat_maps", 1, 1, 0);
}

}  // namespace muster::models::naive
