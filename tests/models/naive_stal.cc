#include "tests/models/naive_stal.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace muster::models::naive {
namespace {

Maps side_by_side(const std::vector<Maps>& parts) {
  Maps out(0, parts[0].height, parts[0].width);
  for (const Maps& part : parts) {
    out.channels += part.channels;
    out.values.insert(out.values.end(), part.values.begin(), part.values.end());
  }
  return out;
}

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

// 4x4, stride 2, padding 1: every value paints its kernel.
Maps doubled_by(const Maps& in, const Weights& weights, const std::string& name) {
  const Values& weight = weights.at(name + ".weight");
  const Values& bias = weights.at(name + ".bias");
  const auto out_channels = static_cast<int64_t>(bias.size());
  Maps out(out_channels, 2 * in.height, 2 * in.width);
  for (int64_t o = 0; o < out_channels; ++o) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) out.at(o, y, x) = bias[static_cast<size_t>(o)];
    }
    for (int64_t i = 0; i < in.channels; ++i) {
      for (int64_t y = 0; y < in.height; ++y) {
        for (int64_t x = 0; x < in.width; ++x) {
          for (int64_t v = 0; v < 4; ++v) {
            for (int64_t u = 0; u < 4; ++u) {
              const int64_t row = 2 * y - 1 + v, column = 2 * x - 1 + u;
              if (row < 0 || row >= out.height || column < 0 || column >= out.width) continue;
              out.at(o, row, column) +=
                  in.zero_padded(i, y, x) *
                  weight[static_cast<size_t>(((i * out_channels + o) * 4 + v) * 4 + u)];
            }
          }
        }
      }
    }
  }
  return out;
}

double logistic_of(double value) { return 1 / (1 + std::exp(-value)); }

Maps upper_left(const Maps& in, int64_t height, int64_t width) {
  Maps out(in.channels, height, width);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) out.at(c, y, x) = in.zero_padded(c, y, x);
    }
  }
  return out;
}

void append_values(Values& all, const Values& more) {
  all.insert(all.end(), more.begin(), more.end());
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

Maps BnInception::low(const Maps& image) const {
  Maps maps = max_pool(unit(image, "conv1", 7, 2, 3), 3, 2, 0);
  maps = unit(unit(maps, "conv2_reduce", 1, 1, 0), "conv2", 3, 1, 1);
  maps = max_pool(maps, 3, 2, 0);
  for (const char* name : {"3a", "3b", "3c", "4a", "4b"}) maps = block(maps, name);
  return maps;
}

Maps residual_attention(const Maps& in, const Weights& weights, const std::string& prefix) {
  Maps maps = rectified(convolution(in, weights, prefix + "conv1", 1, 1, 0));
  maps = max_pool(maps, 3, 2, 0);
  maps = rectified(convolution(maps, weights, prefix + "conv2", 3, 1, 1));
  maps = rectified(doubled_by(maps, weights, prefix + "deconv"));
  maps = convolution(maps, weights, prefix + "conv3", 1, 1, 0);
  for (double& value : maps.values) value = logistic_of(value);
  return maps;
}

std::vector<Box> fixed_boxes(double height, double width) {
  std::vector<Box> boxes = {{23, 4, 43, 24},  {20, 24, 46, 70},  {6, 24, 33, 70},
                            {33, 24, 59, 70}, {33, 71, 59, 124}, {6, 71, 32, 124}};
  for (Box& box : boxes) {
    box = {box[0] / 64 * width, box[1] / 128 * height, box[2] / 64 * width, box[3] / 128 * height};
  }
  return boxes;
}

std::vector<Box> boxes_of_joints(const Values& joints, double height, double width) {
  // As the paper counts, from 1.
  const std::vector<std::vector<size_t>> groups = {{1, 2, 3, 6}, {2, 3, 6, 9, 12}, {3, 4, 5},
                                                   {6, 7, 8},    {12, 13, 14},     {9, 10, 11}};
  std::vector<Box> boxes = fixed_boxes(height, width);
  for (size_t part = 0; part < groups.size(); ++part) {
    bool first = true;
    for (const size_t joint : groups[part]) {
      const double x = joints[3 * (joint - 1)], y = joints[3 * (joint - 1) + 1];
      if (joints[3 * (joint - 1) + 2] <= 0) continue;
      Box& box = boxes[part];
      if (first) box = {x, y, x, y};
      first = false;
      box = {std::min(box[0], x), std::min(box[1], y), std::max(box[2], x), std::max(box[3], y)};
    }
  }
  return boxes;
}

std::array<int64_t, 4> places(const Box& box, double scale, int64_t height, int64_t width) {
  std::array<int64_t, 4> place{};
  for (size_t i = 0; i < 4; ++i) {
    const int64_t last = (i % 2 == 0 ? width : height) - 1;
    place[i] = std::min(std::max<int64_t>(std::llround(box[i] * scale), 0), last);
  }
  place[2] = std::max(place[2], place[0]);
  place[3] = std::max(place[3], place[1]);
  return place;
}

Maps roi_max_pool(const Maps& in, const std::array<int64_t, 4>& place, int64_t size) {
  const int64_t height = place[3] - place[1] + 1, width = place[2] - place[0] + 1;
  // Whether place `offset` of `length` reaches into bin `bin` of `size`.
  const auto inside = [&](int64_t offset, int64_t bin, int64_t length) {
    return (offset + 1) * size > bin * length && offset * size < (bin + 1) * length;
  };
  Maps out(in.channels, size, size);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t v = 0; v < size; ++v) {
      for (int64_t u = 0; u < size; ++u) {
        double largest = -INFINITY;
        for (int64_t y = 0; y < height; ++y) {
          for (int64_t x = 0; x < width; ++x) {
            if (!inside(y, v, height) || !inside(x, u, width)) continue;
            largest = std::max(largest, in.zero_padded(c, place[1] + y, place[0] + x));
          }
        }
        out.at(c, v, u) = largest;
      }
    }
  }
  return out;
}

Values quality(const Maps& image, const Weights& weights, const std::string& prefix) {
  Maps maps = convolution(image, weights, prefix + "conv1", 7, 2, 3);
  maps = max_pool(maps, 3, 2, 0);
  maps = convolution(maps, weights, prefix + "conv2", 3, 1, 1);
  maps = convolution(maps, weights, prefix + "conv3", 3, 1, 1);
  maps = max_pool(upper_left(maps, maps.height / 7 * 7, maps.width / 7 * 7), 7, 7, 0);
  Values scores = linear(maps.values, weights, prefix + "fc");
  for (double& score : scores) score = logistic_of(score);
  return scores;
}

Values attended_mean(const std::vector<Values>& features, const Values& scores) {
  Values mean(features[0].size(), 0);
  double sum = 0;
  for (const double score : scores) sum += score;
  for (size_t t = 0; t < features.size(); ++t) {
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += scores[t] * features[t][i] / sum;
  }
  return mean;
}

double euclidean(const Values& left, const Values& right) {
  double squares = 0;
  for (size_t i = 0; i < left.size(); ++i) squares += (left[i] - right[i]) * (left[i] - right[i]);
  return std::sqrt(squares);
}

double attentive_distance(const std::vector<Values>& left, const Values& left_attention,
                          const std::vector<Values>& right, const Values& right_attention) {
  double left_sum = 0, right_sum = 0, distance = 0;
  for (const double value : left_attention) left_sum += value;
  for (const double value : right_attention) right_sum += value;
  for (size_t part = 0; part < left.size(); ++part) {
    distance += left_attention[part] * right_attention[part] / (left_sum * right_sum) *
                euclidean(left[part], right[part]);
  }
  return distance;
}

namespace {

// Of one frame's low-level maps.
Values stal_global(const Maps& low, const BnInception& backbone, const Weights& weights) {
  Maps maps = backbone.block(low, "4c");
  if (weights.count("ran.conv1.weight") > 0) {
    const Maps mask = residual_attention(low, weights, "ran.");
    for (size_t i = 0; i < maps.values.size(); ++i) maps.values[i] *= 1 + mask.values[i];
  }
  for (const char* name : {"4d", "4e", "5a", "5b"}) maps = backbone.block(maps, name);
  return mean_over_places(maps);
}

Values stal_local(const Maps& low, const Box& box, size_t part, const Weights& weights) {
  const std::string prefix = "part" + std::to_string(part + 1) + ".";
  const BnInception trunk{weights, prefix + "trunk."};
  Maps maps = roi_max_pool(low, places(box, 1 / 16.0, low.height, low.width), 8);
  for (const char* name : {"4c", "4d", "4e"}) maps = trunk.block(maps, name);
  return linear(maps.values, weights, prefix + "fc");
}

}  // namespace

StalOutput stal(const at::Tensor& clip, const std::vector<std::vector<Box>>& boxes,
                const Weights& weights) {
  const BnInception backbone{weights, "backbone."};
  const auto frames = static_cast<size_t>(clip.size(0));
  std::vector<Values> global;
  std::vector<std::vector<Values>> local(6);
  std::vector<Values> scores;
  StalOutput output;
  double all_scores = 0;
  for (size_t t = 0; t < frames; ++t) {
    const Maps image = maps_of(clip[static_cast<int64_t>(t)]);
    const Maps low = backbone.low(image);
    global.push_back(stal_global(low, backbone, weights));
    scores.push_back(quality(image, weights, "attention."));
    for (size_t part = 0; part < 6; ++part) {
      local[part].push_back(stal_local(low, boxes[t][part], part, weights));
      append_values(
          output.logits["parts"],
          linear(local[part].back(), weights, "part" + std::to_string(part + 1) + ".classifier"));
      all_scores += scores[t][part];
    }
  }
  Values feature = mean_over_steps(global);
  if (weights.count("global_embedding.weight") > 0) {
    feature = linear(feature, weights, "global_embedding");
  }
  output.signature["global"] = feature;
  output.logits["identity"] = linear(feature, weights, "classifier");
  for (size_t part = 0; part < 6; ++part) {
    Values normalised;
    double sum = 0;
    for (size_t t = 0; t < frames; ++t) {
      normalised.push_back(scores[t][part] / all_scores);
      sum += normalised.back();
    }
    append_values(output.signature["parts"], attended_mean(local[part], normalised));
    append_values(output.signature["parts_mean"], mean_over_steps(local[part]));
    output.signature["attention"].push_back(sum / static_cast<double>(frames));
  }
  return output;
}

}  // namespace muster::models::naive
