#include "tests/models/naive_trl.h"

#include <ATen/ATen.h>

#include <cmath>

namespace muster::models::naive {
Maps GoogLeNet::unit(const Maps& in, const std::string& name, int64_t kernel, int64_t stride,
                     int64_t padding) const {
  const std::string path = prefix + name;
  const Maps out = convolution(in, weights, path + ".conv", kernel, stride, padding);
  return rectified(v1 ? out : batch_norm(out, weights, path + ".bn", 1e-3));
}

Maps GoogLeNet::inception(const Maps& in, const std::string& name) const {
  const Maps one = unit(in, name + ".branch1", 1, 1, 0);
  const Maps three = unit(unit(in, name + ".branch2.0", 1, 1, 0), name + ".branch2.1", 3, 1, 1);
  const Maps reduced = unit(in, name + ".branch3.0", 1, 1, 0);
  const Maps five = v1 ? unit(reduced, name + ".branch3.1", 5, 1, 2)
                       : unit(reduced, name + ".branch3.1", 3, 1, 1);
  const Maps pool = unit(max_pool(in, 3, 1, 1), name + ".branch4.1", 1, 1, 0);
  return side_by_side({one, three, five, pool});
}

Maps GoogLeNet::convs(const Maps& image) const {
  Maps maps = max_pool(unit(image, "conv1", 7, 2, 3), 3, 2, 0);
  if (v1) maps = response_normalised(maps);
  maps = unit(unit(maps, "conv2", 1, 1, 0), "conv3", 3, 1, 1);
  return v1 ? response_normalised(maps) : maps;
}

Maps GoogLeNet::inception1(const Maps& maps) const {
  return inception(inception(max_pool(maps, 3, 2, 0), "inception3a"), "inception3b");
}

Maps GoogLeNet::inception2(const Maps& maps) const {
  Maps out = max_pool(maps, 3, 2, 0);
  for (const char letter : {'a', 'b', 'c', 'd', 'e'}) {
    out = inception(out, std::string("inception4") + letter);
  }
  return out;
}

Maps GoogLeNet::inception3(const Maps& maps) const {
  const Maps pooled = v1 ? max_pool(maps, 3, 2, 0) : max_pool(maps, 2, 2, 0);
  return inception(inception(pooled, "inception5a"), "inception5b");
}

Maps scaled_and_shifted(const Maps& maps, const Values& transform) {
  Maps out(maps.channels, maps.height, maps.width);
  for (int64_t v = 0; v < maps.height; ++v) {
    for (int64_t u = 0; u < maps.width; ++u) {
      // Coordinates from -1 to 1, then pixels from 0 to side - 1.
      const double from_x = -1 + 2.0 * static_cast<double>(u) / static_cast<double>(maps.width - 1);
      const double from_y =
          -1 + 2.0 * static_cast<double>(v) / static_cast<double>(maps.height - 1);
      const double x =
          (transform[0] * from_x + transform[1] + 1) / 2 * static_cast<double>(maps.width - 1);
      const double y =
          (transform[2] * from_y + transform[3] + 1) / 2 * static_cast<double>(maps.height - 1);
      for (int64_t c = 0; c < maps.channels; ++c) {
        double sum = 0;
        for (int64_t row = 0; row < maps.height; ++row) {
          for (int64_t column = 0; column < maps.width; ++column) {
            sum += std::max(0.0, 1 - std::abs(x - static_cast<double>(column))) *
                   std::max(0.0, 1 - std::abs(y - static_cast<double>(row))) *
                   maps.zero_padded(c, row, column);
          }
        }
        out.at(c, v, u) = sum;
      }
    }
  }
  return out;
}

std::vector<Values> transforms(const std::vector<Maps>& frames, const Weights& weights,
                               const std::string& prefix, bool temporal) {
  const auto unit = [&](const Maps& in, const std::string& name) {
    const Maps out = convolution(in, weights, prefix + name + ".conv", 1, 1, 0);
    return rectified(batch_norm(out, weights, prefix + name + ".bn", 1e-5));
  };
  std::vector<Values> values;
  for (const Maps& frame : frames) {
    const Maps shrunk = max_pool(unit(frame, "unit1"), 2, 2, 0);
    values.push_back(mean_over_places(unit(shrunk, "unit2")));
  }
  if (temporal) values = both_directions(values, weights, prefix + "recurrent");
  for (Values& value : values) value = linear(value, weights, prefix + "transform");
  return values;
}

TemporalFeatures temporal_residual(const std::vector<Values>& descriptors, const Weights& weights,
                                   const std::string& prefix, bool one_direction) {
  std::vector<Values> steps = one_direction
                                  ? lstm(descriptors, weights, prefix + "generic", false)
                                  : both_directions(descriptors, weights, prefix + "generic");
  TemporalFeatures features;
  features.generic = mean_over_steps(steps);
  if (weights.count(prefix + "specific.weight_ih_l0") == 0) return features;
  for (Values& step : steps) {
    for (size_t i = 0; i < step.size(); ++i) step[i] = features.generic[i] - step[i];
  }
  features.specific = mean_over_steps(both_directions(steps, weights, prefix + "specific"));
  return features;
}

namespace {

void conclude_stream(const std::vector<Values>& descriptors, const std::string& stream,
                     const Weights& weights, const proto::Trl& options, TrlOutput& output) {
  const bool aligned = stream == "aligned";
  const std::string head = aligned ? "identity_aligned" : "identity";
  const std::string classifier = aligned ? "aligned_" : "";
  if (options.frame_level()) {
    output.signature[stream + "_generic"] = mean_over_steps(descriptors);
    for (const Values& frame : descriptors) {
      output.logits[head].push_back(linear(frame, weights, classifier + "frame_classifier"));
    }
    return;
  }
  const TemporalFeatures features = temporal_residual(
      descriptors, weights, stream + "_temporal.", options.temporal() == proto::Trl::ONE_DIRECTION);
  Values video = features.generic;
  if (options.temporal() == proto::Trl::SPECIFIC) video = features.specific;
  if (options.temporal() == proto::Trl::GENERIC_AND_SPECIFIC) {
    for (size_t i = 0; i < video.size(); ++i) {
      video[i] =
          options.alpha() * features.generic[i] + (1 - options.alpha()) * features.specific[i];
    }
  }
  if (options.temporal() != proto::Trl::SPECIFIC) {
    output.signature[stream + "_generic"] = features.generic;
  }
  if (!features.specific.empty()) output.signature[stream + "_specific"] = features.specific;
  output.logits[head].push_back(linear(video, weights, classifier + "classifier"));
}

}  // namespace

TrlOutput trl(const at::Tensor& clip, const Weights& weights, const proto::Trl& options) {
  const bool v1 = options.backbone() == proto::Trl::GOOGLENET_V1;
  const GoogLeNet main{weights, "main.", v1}, aligned{weights, "aligned.", v1};
  std::vector<Maps> low, middle;
  std::vector<Values> original_descriptors, aligned_descriptors;
  for (int64_t t = 0; t < clip.size(0); ++t) {
    low.push_back(main.convs(maps_of(clip[t])));
    middle.push_back(main.inception2(main.inception1(low.back())));
    original_descriptors.push_back(mean_over_places(main.inception3(middle.back())));
  }
  TrlOutput output;
  conclude_stream(original_descriptors, "main", weights, options, output);
  if (options.alignment() == proto::Trl::UNALIGNED) return output;
  const std::vector<Values> where = transforms(middle, weights, "transformer.",
                                               options.alignment() == proto::Trl::SPATIAL_TEMPORAL);
  for (size_t t = 0; t < low.size(); ++t) {
    const Maps maps = scaled_and_shifted(low[t], where[t]);
    aligned_descriptors.push_back(
        mean_over_places(aligned.inception3(aligned.inception2(aligned.inception1(maps)))));
  }
  conclude_stream(aligned_descriptors, "aligned", weights, options, output);
  return output;
}

}  // namespace muster::models::naive
