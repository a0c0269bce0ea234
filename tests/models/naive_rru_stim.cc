#include "tests/models/naive_rru_stim.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace muster::models::naive_rru {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;  // [rows][channels]

const double* data(const at::Tensor& tensor) { return tensor.data_ptr<double>(); }

size_t length(const at::Tensor& tensor, int64_t axis) {
  return static_cast<size_t>(tensor.size(axis));
}

// y = W x (+ b)
Row product(const at::Tensor& weight, const Row& x, const at::Tensor& bias = {}) {
  Row y(length(weight, 0), 0);
  for (size_t i = 0; i < y.size(); ++i) {
    if (bias.defined()) y[i] = data(bias)[i];
    for (size_t j = 0; j < x.size(); ++j) y[i] += data(weight)[i * x.size() + j] * x[j];
  }
  return y;
}

// In place, over rows; `name` ends in a point.
void batch_norm(Rows& rows, NaiveWeights& weights, const std::string& name, double epsilon,
                bool training) {
  const size_t channels = length(weights.at(name + "weight"), 0);
  for (size_t c = 0; c < channels; ++c) {
    double& running_mean = weights.at(name + "running_mean").data_ptr<double>()[c];
    double& running_variance = weights.at(name + "running_var").data_ptr<double>()[c];
    double mean = running_mean, variance = running_variance;
    if (training) {
      const auto count = static_cast<double>(rows.size());
      mean = variance = 0;
      for (const Row& row : rows) mean += row[c] / count;
      for (const Row& row : rows) variance += (row[c] - mean) * (row[c] - mean) / count;
      running_mean = 0.9 * running_mean + 0.1 * mean;
      running_variance = 0.9 * running_variance + 0.1 * variance * count / (count - 1);
    }
    const double scale = data(weights.at(name + "weight"))[c] / std::sqrt(variance + epsilon);
    for (Row& row : rows) row[c] = (row[c] - mean) * scale + data(weights.at(name + "bias"))[c];
  }
}

void rectify(Row& row, double leak = 0) {
  for (double& value : row) value = value > 0 ? value : leak * value;
}

// The gate's input at one place.
Row gate_input(proto::RruStim::Refinement gate, const Row& now, const Row& before,
               const Row& state) {
  Row input;
  if (gate == proto::RruStim::ORIGINAL_GATE) {
    input = now;
    input.insert(input.end(), state.begin(), state.end());
    return input;
  }
  for (size_t c = 0; c < now.size(); ++c) input.push_back(state[c] - now[c]);
  if (gate == proto::RruStim::APPEARANCE_GATE) return input;
  for (size_t c = 0; c < now.size(); ++c) input.push_back(now[c] - before[c]);
  return input;
}

// Z of one clip, [places][channels], of H [places][transition].
Rows gate_values(const NaiveWeights& weights, const Rows& hidden, size_t channels) {
  const size_t places = hidden.size(), transition = hidden[0].size();
  Row over_channels(places, 0), over_places(transition, 0);
  for (size_t p = 0; p < places; ++p) {
    for (size_t c = 0; c < transition; ++c) {
      over_channels[p] += hidden[p][c] / static_cast<double>(transition);
      over_places[c] += hidden[p][c] / static_cast<double>(places);
    }
  }
  Row spatial(places, 1), channel(channels, 1);
  if (weights.count("spatial1.weight") > 0) {
    Row inner = product(weights.at("spatial1.weight"), over_channels);
    rectify(inner);
    spatial = product(weights.at("spatial2.weight"), inner);
  }
  if (weights.count("channel.weight") > 0) {
    channel = product(weights.at("channel.weight"), over_places);
  }
  Rows gate(places, Row(channels));
  for (size_t p = 0; p < places; ++p) {
    for (size_t c = 0; c < channels; ++c) {
      gate[p][c] = 1 / (1 + std::exp(-spatial[p] * channel[c]));
    }
  }
  return gate;
}

// One frame: rows are places of all clips.
Rows refined(NaiveWeights& weights, proto::RruStim::Refinement gate, const Rows& now,
             const Rows& before, const Rows& state, size_t clips, bool training) {
  Rows hidden;
  for (size_t row = 0; row < now.size(); ++row) {
    hidden.push_back(
        product(weights.at("transition"), gate_input(gate, now[row], before[row], state[row])));
  }
  batch_norm(hidden, weights, "bn.", 1e-3, training);
  for (Row& row : hidden) rectify(row);
  Rows next = state;
  const size_t places = now.size() / clips, channels = now[0].size();
  for (size_t clip = 0; clip < clips; ++clip) {
    const auto first = hidden.begin() + static_cast<int64_t>(clip * places);
    const Rows own(first, first + static_cast<int64_t>(places));
    const Rows z = gate_values(weights, own, channels);
    for (size_t p = 0; p < places; ++p) {
      const size_t row = clip * places + p;
      for (size_t c = 0; c < channels; ++c) {
        next[row][c] = (1 - z[p][c]) * state[row][c] + z[p][c] * now[row][c];
      }
    }
  }
  return next;
}

// Of a contiguous tensor whose last axis is channels.
Rows rows_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  const size_t channels = length(flat, flat.dim() - 1);
  Rows rows;
  for (size_t row = 0; row < static_cast<size_t>(flat.numel()) / channels; ++row) {
    rows.emplace_back(data(flat) + row * channels, data(flat) + (row + 1) * channels);
  }
  return rows;
}

at::Tensor tensor_of(const Rows& rows) {
  at::Tensor tensor = at::empty(
      {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.empty() ? 0 : rows[0].size())},
      at::TensorOptions(at::kDouble));
  double* target = tensor.data_ptr<double>();
  for (const Row& row : rows) target = std::copy(row.begin(), row.end(), target);
  return tensor;
}

// 3x3x3, zeros beyond the border; rows are (frame, clip, y, x).
Rows convolution3(const at::Tensor& weight, const Rows& in, int64_t frames, int64_t clips,
                  int64_t height, int64_t width) {
  const auto row_at = [&](int64_t t, int64_t clip, int64_t y, int64_t x) {
    return static_cast<size_t>(((t * clips + clip) * height + y) * width + x);
  };
  const auto w = weight.accessor<double, 5>();
  Rows out(in.size(), Row(length(weight, 0), 0));
  for (int64_t t = 0; t < frames; ++t) {
    for (int64_t clip = 0; clip < clips; ++clip) {
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          Row& sum = out[row_at(t, clip, y, x)];
          for (int64_t k = 0; k < 27; ++k) {
            const int64_t dt = k / 9, dy = k / 3 % 3, dx = k % 3;
            const int64_t from_t = t + dt - 1, from_y = y + dy - 1, from_x = x + dx - 1;
            if (from_t < 0 || from_t >= frames || from_y < 0 || from_y >= height || from_x < 0 ||
                from_x >= width) {
              continue;
            }
            const Row& from = in[row_at(from_t, clip, from_y, from_x)];
            for (size_t o = 0; o < sum.size(); ++o) {
              for (size_t i = 0; i < from.size(); ++i) {
                sum[o] += w[static_cast<int64_t>(o)][static_cast<int64_t>(i)][dt][dy][dx] * from[i];
              }
            }
          }
        }
      }
    }
  }
  return out;
}

}  // namespace

NaiveWeights naive_weights(const NamedTensors& parameters, const NamedTensors& buffers) {
  NaiveWeights weights;
  for (const NamedTensors& tensors : {parameters, buffers}) {
    for (const auto& [name, value] : tensors) {
      weights[name] = value.detach().to(at::kDouble).clone().contiguous();
    }
  }
  return weights;
}

NaiveWeights naive_part(const NaiveWeights& weights, const std::string& prefix) {
  NaiveWeights part;
  for (const auto& [name, value] : weights) {
    if (name.compare(0, prefix.size(), prefix) == 0) part[name.substr(prefix.size())] = value;
  }
  return part;
}

at::Tensor naive_refinement(NaiveWeights& weights, proto::RruStim::Refinement gate,
                            const at::Tensor& maps, bool training) {
  std::vector<at::Tensor> states;
  Rows before = rows_of(maps[0]), state = before;
  for (int64_t t = 0; t < maps.size(0); ++t) {
    const Rows now = rows_of(maps[t]);
    state = refined(weights, gate, now, before, state, length(maps, 1), training);
    before = now;
    states.push_back(tensor_of(state).view(maps[t].sizes()));
  }
  return at::stack(states);
}

at::Tensor naive_integration(NaiveWeights& weights, const at::Tensor& maps, bool training) {
  Rows rows = rows_of(maps);
  for (Row& row : rows) row = product(weights.at("conv1.weight"), row);
  batch_norm(rows, weights, "bn1.", 1e-5, training);
  for (Row& row : rows) rectify(row);
  const int64_t frames = maps.size(0), clips = maps.size(1), height = maps.size(2);
  rows = convolution3(weights.at("conv2.weight"), rows, frames, clips, height, maps.size(3));
  batch_norm(rows, weights, "bn2.", 1e-5, training);
  Rows sums(static_cast<size_t>(clips), Row(rows[0].size(), 0));
  const auto places = static_cast<size_t>(height * maps.size(3));
  for (size_t i = 0; i < rows.size(); ++i) {
    rectify(rows[i]);
    Row& sum = sums[i / places % sums.size()];
    for (size_t c = 0; c < sum.size(); ++c) {
      sum[c] += rows[i][c] / static_cast<double>(places * static_cast<size_t>(frames));
    }
  }
  return tensor_of(sums);
}

at::Tensor naive_classifier(NaiveWeights& weights, const at::Tensor& features, double leak,
                            bool training) {
  Rows rows = rows_of(features);
  for (Row& row : rows) {
    row = product(weights.at("hidden.weight"), row, weights.at("hidden.bias"));
  }
  batch_norm(rows, weights, "bn.", 1e-5, training);
  for (Row& row : rows) {
    rectify(row, leak);
    row = product(weights.at("output.weight"), row, weights.at("output.bias"));
  }
  return tensor_of(rows);
}

at::Tensor naive_auxiliary(const NaiveWeights& weights, const at::Tensor& middle) {
  NaiveWeights own = weights;
  const auto in = middle.accessor<double, 4>();
  const int64_t height = middle.size(2), width = middle.size(3);
  Rows answers;
  for (int64_t image = 0; image < middle.size(0); ++image) {
    Rows places;  // of 5x5
    for (int64_t place = 0; place < 25; ++place) {
      const int64_t y = place / 5, x = place % 5;
      const int64_t top = y * height / 5, bottom = ((y + 1) * height + 4) / 5;
      const int64_t left = x * width / 5, right = ((x + 1) * width + 4) / 5;
      Row mean(length(middle, 1), 0);
      for (size_t c = 0; c < mean.size(); ++c) {
        for (int64_t i = top; i < bottom; ++i) {
          for (int64_t j = left; j < right; ++j) {
            mean[c] += in[image][static_cast<int64_t>(c)][i][j] /
                       static_cast<double>((bottom - top) * (right - left));
          }
        }
      }
      places.push_back(product(weights.at("conv0.conv.weight"), mean));
    }
    batch_norm(places, own, "conv0.bn.", 1e-3, false);
    Row inputs;  // channel, then place: as the kernel's weights lie
    for (Row& place : places) rectify(place);
    for (size_t c = 0; c < places[0].size(); ++c) {
      for (const Row& place : places) inputs.push_back(place[c]);
    }
    Rows hidden{product(weights.at("conv1.conv.weight"), inputs)};
    batch_norm(hidden, own, "conv1.bn.", 1e-3, false);
    rectify(hidden[0]);
    answers.push_back(product(weights.at("fc.weight"), hidden[0], weights.at("fc.bias")));
  }
  return tensor_of(answers);
}

}  // namespace muster::models::naive_rru
