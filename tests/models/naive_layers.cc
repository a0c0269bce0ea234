#include "tests/models/naive_layers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::models::naive {

Values values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  return Values(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
}

Weights weights_of(const NamedTensors& tensors) {
  Weights weights;
  for (const auto& [name, value] : tensors) weights[name] = values_of(value);
  return weights;
}

Maps maps_of(const at::Tensor& image) {
  Maps maps(image.size(0), image.size(1), image.size(2));
  maps.values = values_of(image);
  return maps;
}

at::Tensor tensor_of(const Maps& maps) {
  return at::tensor(maps.values, at::kDouble).view({maps.channels, maps.height, maps.width});
}

Maps convolution(const Maps& in, const Weights& weights, const std::string& name, int64_t kernel,
                 int64_t stride, int64_t padding) {
  const Values& weight = weights.at(name + ".weight");
  const auto bias = weights.find(name + ".bias");
  const int64_t volume = in.channels * kernel * kernel;
  Maps out(static_cast<int64_t>(weight.size()) / volume,
           (in.height + 2 * padding - kernel) / stride + 1,
           (in.width + 2 * padding - kernel) / stride + 1);
  for (int64_t c = 0; c < out.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        const double* factor = weight.data() + c * volume;
        double sum = bias == weights.end() ? 0 : bias->second[static_cast<size_t>(c)];
        for (int64_t k = 0; k < in.channels; ++k) {
          for (int64_t v = 0; v < kernel; ++v) {
            for (int64_t u = 0; u < kernel; ++u) {
              sum +=
                  *factor++ * in.zero_padded(k, y * stride + v - padding, x * stride + u - padding);
            }
          }
        }
        out.at(c, y, x) = sum;
      }
    }
  }
  return out;
}

Maps batch_norm(const Maps& in, const Weights& weights, const std::string& name, double epsilon) {
  Maps out = in;
  for (int64_t c = 0; c < in.channels; ++c) {
    const auto i = static_cast<size_t>(c);
    const double deviation = std::sqrt(weights.at(name + ".running_var")[i] + epsilon);
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t x = 0; x < in.width; ++x) {
        const double normal =
            (in.zero_padded(c, y, x) - weights.at(name + ".running_mean")[i]) / deviation;
        out.at(c, y, x) = normal * weights.at(name + ".weight")[i] + weights.at(name + ".bias")[i];
      }
    }
  }
  return out;
}

Maps rectified(Maps maps) {
  for (double& value : maps.values) value = std::max(value, 0.0);
  return maps;
}

namespace {

int64_t window_count(int64_t pixels, int64_t kernel, int64_t stride, int64_t padding) {
  int64_t count = 1;
  for (int64_t end = kernel - padding; end < pixels + padding; end += stride) ++count;
  return count;
}

}  // namespace

Maps max_pool(const Maps& in, int64_t kernel, int64_t stride, int64_t padding) {
  Maps out(in.channels, window_count(in.height, kernel, stride, padding),
           window_count(in.width, kernel, stride, padding));
  for (int64_t c = 0; c < out.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        double largest = -std::numeric_limits<double>::infinity();
        for (int64_t v = y * stride - padding; v < y * stride - padding + kernel; ++v) {
          for (int64_t u = x * stride - padding; u < x * stride - padding + kernel; ++u) {
            if (v < 0 || v >= in.height || u < 0 || u >= in.width) continue;
            largest = std::max(largest, in.zero_padded(c, v, u));
          }
        }
        out.at(c, y, x) = largest;
      }
    }
  }
  return out;
}

Maps response_normalised(const Maps& in) {
  Maps out = in;
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t x = 0; x < in.width; ++x) {
        double squares = 0;
        for (int64_t j = std::max<int64_t>(0, c - 2); j <= std::min(in.channels - 1, c + 2); ++j) {
          squares += in.zero_padded(j, y, x) * in.zero_padded(j, y, x);
        }
        out.at(c, y, x) /= std::pow(1 + 1e-4 / 5 * squares, 0.75);
      }
    }
  }
  return out;
}

Values mean_over_places(const Maps& in) {
  Values means(static_cast<size_t>(in.channels), 0);
  const int64_t places = in.height * in.width;
  for (size_t i = 0; i < in.values.size(); ++i) {
    means[i / static_cast<size_t>(places)] += in.values[i] / static_cast<double>(places);
  }
  return means;
}

Values linear(const Values& in, const Weights& weights, const std::string& name) {
  Values out = weights.at(name + ".bias");
  const Values& weight = weights.at(name + ".weight");
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t j = 0; j < in.size(); ++j) out[i] += weight[i * in.size() + j] * in[j];
  }
  return out;
}

std::vector<Values> lstm(const std::vector<Values>& in, const Weights& weights,
                         const std::string& name, bool backward) {
  const std::string suffix = backward ? "_l0_reverse" : "_l0";
  const auto part = [&](const std::string& what) { return weights.at(name + what + suffix); };
  const Values input_weight = part(".weight_ih"), state_weight = part(".weight_hh");
  const Values input_bias = part(".bias_ih"), state_bias = part(".bias_hh");
  const size_t units = input_bias.size() / 4;
  const auto sigmoid = [](double value) { return 1 / (1 + std::exp(-value)); };
  Values hidden(units, 0), cell(units, 0);
  std::vector<Values> out(in.size());
  for (size_t step = 0; step < in.size(); ++step) {
    const size_t t = backward ? in.size() - 1 - step : step;
    Values gates(4 * units);  // input, forget, candidate, output
    for (size_t i = 0; i < gates.size(); ++i) {
      gates[i] = input_bias[i] + state_bias[i];
      for (size_t j = 0; j < in[t].size(); ++j) {
        gates[i] += input_weight[i * in[t].size() + j] * in[t][j];
      }
      for (size_t j = 0; j < units; ++j) gates[i] += state_weight[i * units + j] * hidden[j];
    }
    for (size_t i = 0; i < units; ++i) {
      cell[i] =
          sigmoid(gates[units + i]) * cell[i] + sigmoid(gates[i]) * std::tanh(gates[2 * units + i]);
      hidden[i] = sigmoid(gates[3 * units + i]) * std::tanh(cell[i]);
    }
    out[t] = hidden;
  }
  return out;
}

std::vector<Values> both_directions(const std::vector<Values>& in, const Weights& weights,
                                    const std::string& name) {
  std::vector<Values> out = lstm(in, weights, name, false);
  const std::vector<Values> other = lstm(in, weights, name, true);
  for (size_t t = 0; t < out.size(); ++t) {
    out[t].insert(out[t].end(), other[t].begin(), other[t].end());
  }
  return out;
}

Maps side_by_side(const std::vector<Maps>& parts) {
  Maps out(0, parts[0].height, parts[0].width);
  for (const Maps& part : parts) {
    out.channels += part.channels;
    out.values.insert(out.values.end(), part.values.begin(), part.values.end());
  }
  return out;
}

Values mean_over_steps(const std::vector<Values>& steps) {
  Values mean(steps[0].size(), 0);
  for (const Values& step : steps) {
    for (size_t i = 0; i < mean.size(); ++i) {
      mean[i] += step[i] / static_cast<double>(steps.size());
    }
  }
  return mean;
}

}  // namespace muster::models::naive
