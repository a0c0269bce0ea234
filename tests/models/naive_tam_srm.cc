#include "tests/models/naive_tam_srm.h"

#include <cmath>

namespace muster::models::naive {
namespace {

// Every group sees its own share of the input's channels.
Maps grouped(const Maps& in, const Weights& weights, const std::string& name, int64_t kernel,
             int64_t stride, int64_t padding, int64_t groups) {
  const Values& weight = weights.at(name + ".weight");
  const Values& bias = weights.at(name + ".bias");
  const auto out_channels = static_cast<int64_t>(bias.size());
  const int64_t seen = in.channels / groups, share = out_channels / groups;
  Maps out(out_channels, (in.height + 2 * padding - kernel) / stride + 1,
           (in.width + 2 * padding - kernel) / stride + 1);
  for (int64_t c = 0; c < out_channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        double sum = bias[static_cast<size_t>(c)];
        for (int64_t k = 0; k < seen; ++k) {
          for (int64_t v = 0; v < kernel; ++v) {
            for (int64_t u = 0; u < kernel; ++u) {
              sum += weight[static_cast<size_t>(((c * seen + k) * kernel + v) * kernel + u)] *
                     in.zero_padded(c / share * seen + k, y * stride + v - padding,
                                    x * stride + u - padding);
            }
          }
        }
        out.at(c, y, x) = sum;
      }
    }
  }
  return out;
}

double sigmoid(double value) { return 1 / (1 + std::exp(-value)); }

// weight [rows, columns] times in
Values product(const Values& weight, const Values& in) {
  Values out(weight.size() / in.size(), 0);
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t j = 0; j < in.size(); ++j) out[i] += weight[i * in.size() + j] * in[j];
  }
  return out;
}

Values rectified(Values values) {
  for (double& value : values) value = value > 0 ? value : 0;
  return values;
}

// One step of torch's LSTMCell.
void step(const Values& in, const Weights& weights, const std::string& name, Values& hidden,
          Values& cell) {
  const Values of_input = product(weights.at(name + ".weight_ih"), in);
  const Values of_state = product(weights.at(name + ".weight_hh"), hidden);
  const size_t units = hidden.size();
  const auto gate = [&](size_t which, size_t unit) {
    const size_t i = which * units + unit;
    return of_input[i] + of_state[i] + weights.at(name + ".bias_ih")[i] +
           weights.at(name + ".bias_hh")[i];
  };
  for (size_t unit = 0; unit < units; ++unit) {
    cell[unit] =
        sigmoid(gate(1, unit)) * cell[unit] + sigmoid(gate(0, unit)) * std::tanh(gate(2, unit));
    hidden[unit] = sigmoid(gate(3, unit)) * std::tanh(cell[unit]);
  }
}

// The values of all places, t, y, x.
struct Volume {
  size_t frames, height, width;
  std::vector<Values> places;
  Values& at(size_t t, size_t y, size_t x) { return places[(t * height + y) * width + x]; }
};

Volume empty_volume(size_t frames, size_t height, size_t width) {
  return {frames, height, width, std::vector<Values>(frames * height * width)};
}

// Appends to `out` what an LSTM says that sweeps the lines along `axis` (0 time, 1 y, 2 x).
void sweep(Volume& in, Volume& out, const Weights& weights, const std::string& name, size_t axis,
           bool backward) {
  const size_t sizes[3] = {in.frames, in.height, in.width};
  const size_t one = axis == 0 ? 1 : 0, two = axis == 2 ? 1 : 2;
  for (size_t i = 0; i < sizes[one]; ++i) {
    for (size_t j = 0; j < sizes[two]; ++j) {
      size_t place[3];
      place[one] = i;
      place[two] = j;
      std::vector<Values> line;
      for (place[axis] = 0; place[axis] < sizes[axis]; ++place[axis]) {
        line.push_back(in.at(place[0], place[1], place[2]));
      }
      const std::vector<Values> answer = lstm(line, weights, name, backward);
      for (place[axis] = 0; place[axis] < sizes[axis]; ++place[axis]) {
        Values& target = out.at(place[0], place[1], place[2]);
        const Values& value = answer[place[axis]];
        target.insert(target.end(), value.begin(), value.end());
      }
    }
  }
}

}  // namespace

Maps caffenet_pool5(const Maps& image, const Weights& weights, const std::string& prefix) {
  const auto layer = [&](const Maps& in, const char* name, int64_t kernel, int64_t stride,
                         int64_t padding, int64_t groups) {
    return rectified(grouped(in, weights, prefix + name, kernel, stride, padding, groups));
  };
  Maps maps = response_normalised(max_pool(layer(image, "conv1", 11, 4, 0, 1), 3, 2, 0));
  maps = response_normalised(max_pool(layer(maps, "conv2", 5, 1, 2, 2), 3, 2, 0));
  maps = layer(layer(maps, "conv3", 3, 1, 1, 1), "conv4", 3, 1, 1, 2);
  return max_pool(layer(maps, "conv5", 3, 1, 1, 2), 3, 2, 0);
}

Values caffenet_fc7(const Maps& pool5, const Weights& weights, const std::string& prefix) {
  const Values fc6 = rectified(linear(pool5.values, weights, prefix + "fc6"));
  return rectified(linear(fc6, weights, prefix + "fc7"));
}

AttendedClip temporal_attention(const std::vector<Values>& frames, const Weights& weights,
                                const std::string& prefix, bool attend_to_cell) {
  const Values& w = weights.at(prefix + "score.weight");
  const size_t units = weights.at(prefix + "recurrent.bias_ih").size() / 4;
  Values hidden(units, 0), cell(units, 0), past(attend_to_cell ? units : frames[0].size(), 0);
  AttendedClip clip;
  std::vector<Values> outputs;
  for (size_t t = 0; t < frames.size(); ++t) {
    const Values of_state = product(weights.at(prefix + "state.weight"), hidden);
    const Values of_past = product(weights.at(prefix + "past.weight"), past);
    Values share;
    double sum = 0;
    for (const Values& frame : frames) {
      const Values of_frame = linear(frame, weights, prefix + "frame");
      double score = 0;
      for (size_t k = 0; k < w.size(); ++k) {
        score += w[k] * std::tanh(of_frame[k] + of_state[k] + of_past[k]);
      }
      share.push_back(std::exp(score));
      sum += share.back();
    }
    Values attended(frames[0].size(), 0);
    for (size_t i = 0; i < frames.size(); ++i) {
      share[i] /= sum;
      for (size_t k = 0; k < attended.size(); ++k) attended[k] += share[i] * frames[i][k];
    }
    step(attended, weights, prefix + "recurrent", hidden, cell);
    past = attend_to_cell ? cell : attended;
    clip.attention.push_back(share);
    outputs.push_back(hidden);
  }
  clip.feature = mean_over_steps(outputs);
  return clip;
}

Values spatial_recurrence(const std::vector<Maps>& first, const std::vector<Maps>& second,
                          const Weights& weights, const std::string& prefix, bool sweeps) {
  const auto size = [](int64_t value) { return static_cast<size_t>(value); };
  Volume volume = empty_volume(first.size(), size(first[0].height), size(first[0].width));
  for (size_t t = 0; t < volume.frames; ++t) {
    Maps difference = first[t];
    for (size_t i = 0; i < difference.values.size(); ++i) {
      difference.values[i] -= second[t].values[i];
    }
    const Maps reduced =
        rectified(convolution(difference, weights, prefix + "difference", 1, 1, 0));
    for (size_t y = 0; y < volume.height; ++y) {
      for (size_t x = 0; x < volume.width; ++x) {
        for (int64_t c = 0; c < reduced.channels; ++c) {
          volume.at(t, y, x).push_back(
              reduced.zero_padded(c, static_cast<int64_t>(y), static_cast<int64_t>(x)));
        }
      }
    }
  }
  if (sweeps) {
    Volume stacked = empty_volume(volume.frames, volume.height, volume.width);
    for (const bool backward : {false, true}) {
      sweep(volume, stacked, weights, prefix + "time", 0, backward);
    }
    for (const bool backward : {false, true}) {
      sweep(volume, stacked, weights, prefix + "horizontal", 2, backward);
    }
    for (const bool backward : {false, true}) {
      sweep(volume, stacked, weights, prefix + "vertical", 1, backward);
    }
    for (size_t t = 0; t < volume.frames; ++t) {
      for (size_t y = 0; y < volume.height; ++y) {
        for (size_t x = 0; x < volume.width; ++x) {
          volume.at(t, y, x) = rectified(linear(stacked.at(t, y, x), weights, prefix + "context"));
        }
      }
    }
  }
  Values flat;
  for (const Values& place : volume.places) flat.insert(flat.end(), place.begin(), place.end());
  return linear(rectified(linear(flat, weights, prefix + "hidden")), weights, prefix + "output");
}

}  // namespace muster::models::naive
