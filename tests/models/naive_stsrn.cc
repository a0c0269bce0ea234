#include "tests/models/naive_stsrn.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace muster::models {
namespace {

using Values = std::vector<double>;

// [channels, height, width] of one frame.
struct Maps {
  int64_t channels, height, width;
  Values values;
  Maps(int64_t c, int64_t h, int64_t w)
      : channels(c), height(h), width(w), values(static_cast<size_t>(c * h * w), 0) {}
  double& at(int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
  double at(int64_t c, int64_t y, int64_t x) const {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
};

Values values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous();
  return Values(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
}

class NaiveNetwork {
 public:
  explicit NaiveNetwork(const NamedTensors& parameters) {
    for (const auto& [name, value] : parameters) weights_[name] = values_of(value);
  }

  const Values& weight(const std::string& name) const { return weights_.at(name); }
  int64_t length(const std::string& name) const {
    return static_cast<int64_t>(weight(name).size());
  }

  Maps convolution(const Maps& in, const std::string& name, int64_t kernel, int64_t pad) const {
    const Values& w = weight(name + ".weight");
    const int64_t out_channels = length(name + ".bias");
    Maps out(out_channels, in.height + 2 * pad - kernel + 1, in.width + 2 * pad - kernel + 1);
    for (int64_t c = 0; c < out.channels; ++c) {
      for (int64_t y = 0; y < out.height; ++y) {
        for (int64_t x = 0; x < out.width; ++x) {
          const double* window = w.data() + c * in.channels * kernel * kernel;
          out.at(c, y, x) = weight(name + ".bias")[static_cast<size_t>(c)] +
                            window_sum(in, window, kernel, y - pad, x - pad);
        }
      }
    }
    return out;
  }

  Values linear(const Values& in, const std::string& name) const {
    Values out = weight(name + ".bias");
    const Values& w = weight(name + ".weight");
    for (size_t i = 0; i < out.size(); ++i) {
      for (size_t j = 0; j < in.size(); ++j) out[i] += w[i * in.size() + j] * in[j];
    }
    return out;
  }

  // Figure 3c: two convolutions on the main path, one on the shortcut, added.
  Maps residual(const Maps& in, const std::string& name) const {
    Maps sum = convolution(convolution(in, name + ".main1", 5, 4), name + ".main2", 3, 1);
    const Maps shortcut = convolution(in, name + ".shortcut", 5, 4);
    for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += shortcut.values[i];
    return sum;
  }

 private:
  static double window_sum(const Maps& in, const double* window, int64_t kernel, int64_t top,
                           int64_t left) {
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

  std::map<std::string, Values> weights_;
};

// Hyperbolic tangent of the largest of each 2x2 window; an odd last row or column is left out.
Maps pooled(const Maps& in) {
  Maps out(in.channels, in.height / 2, in.width / 2);
  for (int64_t c = 0; c < out.channels; ++c) {
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        const double upper = std::max(in.at(c, 2 * y, 2 * x), in.at(c, 2 * y, 2 * x + 1));
        const double lower = std::max(in.at(c, 2 * y + 1, 2 * x), in.at(c, 2 * y + 1, 2 * x + 1));
        out.at(c, y, x) = std::tanh(std::max(upper, lower));
      }
    }
  }
  return out;
}

// f^t of one frame [5, height, width].
Values frame_feature(const NaiveNetwork& network, const at::Tensor& frame) {
  Maps maps(frame.size(0), frame.size(1), frame.size(2));
  maps.values = values_of(frame);
  maps = pooled(network.convolution(maps, "conv", 5, 4));
  maps = pooled(network.residual(maps, "residual1"));
  maps = pooled(network.residual(maps, "residual2"));
  return network.linear(maps.values, "features");
}

// v of one clip: STSM, then ResRNN, then the mean of o^t.
Values video_feature(const NaiveNetwork& network, const std::vector<Values>& frames) {
  const size_t size = frames[0].size();
  Values state(size, 0), mean(size, 0);
  for (size_t t = 0; t < frames.size(); ++t) {
    Values x = frames[t];
    for (size_t i = 0; i < size && t > 0; ++i) {
      const double omega = 1 / (1 + std::exp(-network.weight("synergy")[i]));
      x[i] = (1 - omega) * frames[t][i] + omega * frames[t - 1][i];
    }
    const Values from_input = network.linear(x, "input_to_hidden");
    const Values from_state = network.linear(state, "hidden_to_hidden");
    for (size_t i = 0; i < size; ++i) {
      const double output = (from_input[i] + from_state[i] + x[i]) / 2;
      state[i] = std::tanh(output);
      mean[i] += output / static_cast<double>(frames.size());
    }
  }
  return mean;
}

}  // namespace

NaiveStsrnOutput naive_stsrn(const NamedTensors& parameters, const ModelInput& input) {
  const NaiveNetwork network(parameters);
  const at::Tensor all = at::cat({input.clips, input.flow}, 2);
  std::vector<at::Tensor> features, logits;
  for (int64_t clip = 0; clip < all.size(0); ++clip) {
    std::vector<Values> frames;
    for (int64_t t = 0; t < all.size(1); ++t)
      frames.push_back(frame_feature(network, all[clip][t]));
    const Values video = video_feature(network, frames);
    features.push_back(at::tensor(video, at::kDouble));
    logits.push_back(at::tensor(network.linear(video, "classifier"), at::kDouble));
  }
  return {at::stack(features), at::stack(logits)};
}

}  // namespace muster::models
