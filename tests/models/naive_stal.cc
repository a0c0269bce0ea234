#include "tests/models/naive_stal.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "tests/models/naive_auxiliary_head.h"
#include "tests/models/naive_bn_inception.h"
#include "tests/models/naive_resnet50.h"

namespace muster::models::naive {
namespace {

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

// Blocks behind the low-level maps, by the names of the backbone that the weights are of.
struct StalBlocks {
  std::string attended;
  std::vector<std::string> rest, part;
};

bool of_resnet50(const Weights& weights) { return weights.count("backbone.bn1.weight") > 0; }

StalBlocks stal_blocks(const Weights& weights) {
  if (of_resnet50(weights)) {
    return {"layer3.3",
            {"layer3.4", "layer3.5", "layer4.0", "layer4.1", "layer4.2"},
            {"layer4.0", "layer4.1", "layer4.2"}};
  }
  return {"4c", {"4d", "4e", "5a", "5b"}, {"4c", "4d", "4e"}};
}

Maps through_blocks(Maps maps, const std::vector<std::string>& names, const Weights& weights,
                    const std::string& prefix) {
  for (const std::string& name : names) {
    maps = of_resnet50(weights) ? ResNet50{weights, prefix}.block(maps, name)
                                : BnInception{weights, prefix}.block(maps, name);
  }
  return maps;
}

Maps stal_low(const Maps& image, const Weights& weights) {
  if (!of_resnet50(weights)) return BnInception{weights, "backbone."}.low(image);
  return through_blocks(ResNet50{weights, "backbone."}.stem(image),
                        {"layer1.0", "layer1.1", "layer1.2", "layer2.0", "layer2.1", "layer2.2",
                         "layer2.3", "layer3.0", "layer3.1", "layer3.2"},
                        weights, "backbone.");
}

Maps stal_attended(const Maps& low, const Weights& weights) {
  Maps maps = through_blocks(low, {stal_blocks(weights).attended}, weights, "backbone.");
  if (weights.count("ran.conv1.weight") > 0) {
    const Maps mask = residual_attention(low, weights, "ran.");
    for (size_t i = 0; i < maps.values.size(); ++i) maps.values[i] *= 1 + mask.values[i];
  }
  return maps;
}

Values stal_local(const Maps& low, const Box& box, size_t part, const Weights& weights) {
  const std::string prefix = "part" + std::to_string(part + 1) + ".";
  const Maps maps =
      through_blocks(roi_max_pool(low, places(box, 1 / 16.0, low.height, low.width), 8),
                     stal_blocks(weights).part, weights, prefix + "trunk.");
  const size_t features = weights.at(prefix + "fc.bias").size();
  const bool pools =
      weights.at(prefix + "fc.weight").size() == features * static_cast<size_t>(maps.channels);
  return linear(pools ? mean_over_places(maps) : maps.values, weights, prefix + "fc");
}

// Of one frame: the early head looks at 3c, the late one at 4e.
void append_auxiliary(const Maps& image, const Maps& attended, const Weights& weights,
                      StalOutput& output) {
  if (weights.count("auxiliary_early.fc.weight") == 0) return;
  const Maps early = BnInception{weights, "backbone."}.early(image);
  const Maps late = through_blocks(attended, {"4d", "4e"}, weights, "backbone.");
  append_values(output.logits["auxiliary_early"],
                auxiliary_head(early, weights, "auxiliary_early."));
  append_values(output.logits["auxiliary_late"], auxiliary_head(late, weights, "auxiliary_late."));
}

}  // namespace

StalOutput stal(const at::Tensor& clip, const std::vector<std::vector<Box>>& boxes,
                const Weights& weights) {
  const auto frames = static_cast<size_t>(clip.size(0));
  std::vector<Values> global;
  std::vector<std::vector<Values>> local(6);
  std::vector<Values> scores;
  StalOutput output;
  double all_scores = 0;
  for (size_t t = 0; t < frames; ++t) {
    const Maps image = maps_of(clip[static_cast<int64_t>(t)]);
    const Maps low = stal_low(image, weights), attended = stal_attended(low, weights);
    global.push_back(mean_over_places(
        through_blocks(attended, stal_blocks(weights).rest, weights, "backbone.")));
    append_auxiliary(image, attended, weights, output);
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
