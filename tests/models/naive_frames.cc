#include "tests/models/naive_frames.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace muster::models {
namespace {

double window_sum(const Maps& in, const double* window, int64_t kernel, int64_t top, int64_t left) {
  double sum = 0;
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = top; y < top + kernel; ++y) {
      for (int64_t x = left; x < left + kernel; ++x, ++window) {
        const bool inside = y >= 0 && y < in.height && x >= 0 && x < in.width;
        if (inside) sum += *window * in.at(c, y, x);
      }
    }
  }
  return sum;
}

}  // namespace

Values values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  return Values(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
}

Maps maps_of(const at::Tensor& frame) {
  Maps maps(frame.size(0), frame.size(1), frame.size(2));
  maps.values = values_of(frame);
  return maps;
}

Maps tanh_of(Maps maps) {
  for (double& value : maps.values) value = std::tanh(value);
  return maps;
}

Maps relu_of(Maps maps) {
  for (double& value : maps.values) value = std::max(0.0, value);
  return maps;
}

Maps sum_of(Maps left, const Maps& right) {
  for (size_t i = 0; i < left.values.size(); ++i) left.values[i] += right.values.at(i);
  return left;
}

Maps pooled(const Maps& in) {
  Maps out(in.channels, in.height / 2, in.width / 2);
  for (int64_t c = 0; c < out.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        const double upper = std::max(in.at(c, 2 * y, 2 * x), in.at(c, 2 * y, 2 * x + 1));
        const double lower = std::max(in.at(c, 2 * y + 1, 2 * x), in.at(c, 2 * y + 1, 2 * x + 1));
        out.at(c, y, x) = std::max(upper, lower);
      }
    }
  }
  return out;
}

NaiveLayers::NaiveLayers(const NamedTensors& parameters) {
  for (const auto& [name, value] : parameters) weights_[name] = values_of(value);
}

Maps NaiveLayers::convolution(const Maps& in, const std::string& name, int64_t kernel,
                              int64_t pad) const {
  const Values& w = weight(name + ".weight");
  const Values& bias = weight(name + ".bias");
  Maps out(static_cast<int64_t>(bias.size()), in.height + 2 * pad - kernel + 1,
           in.width + 2 * pad - kernel + 1);
  for (int64_t c = 0; c < out.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        const double* window = w.data() + c * in.channels * kernel * kernel;
        out.at(c, y, x) =
            bias[static_cast<size_t>(c)] + window_sum(in, window, kernel, y - pad, x - pad);
      }
    }
  }
  return out;
}

Values NaiveLayers::linear(const Values& in, const std::string& name) const {
  Values out = weight(name + ".bias");
  const Values& w = weight(name + ".weight");
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t j = 0; j < in.size(); ++j) out[i] += w[i * in.size() + j] * in[j];
  }
  return out;
}

}  // namespace muster::models
