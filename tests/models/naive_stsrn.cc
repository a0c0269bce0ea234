#include "tests/models/naive_stsrn.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/models/naive_frames.h"

namespace muster::models {
namespace {

// Figure 3c, or 3b with a Tanh between the two convolutions of the main path.
Maps residual(const NaiveLayers& layers, const Maps& in, const std::string& name,
              bool tanh_inside) {
  Maps main = layers.convolution(in, name + ".main1", 5, 4);
  if (tanh_inside) main = tanh_of(main);
  return sum_of(layers.convolution(main, name + ".main2", 3, 1),
                layers.convolution(in, name + ".shortcut", 5, 4));
}

// Figure 3a.
Maps plain_residual(const NaiveLayers& layers, const Maps& in, const std::string& name) {
  const Maps main = layers.convolution(relu_of(layers.convolution(in, name + ".main1", 3, 1)),
                                       name + ".main2", 3, 1);
  if (main.channels == in.channels) return sum_of(main, in);
  return sum_of(main, layers.convolution(in, name + ".shortcut", 1, 0));
}

// f^t of one frame [5, height, width].
Values frame_feature(const NaiveLayers& layers, const at::Tensor& frame,
                     const proto::Stsrn& settings) {
  const auto conv = [&](const Maps& maps, const char* name) {
    return tanh_of(pooled(layers.convolution(maps, name, 5, 4)));
  };
  const auto block = [&](const Maps& maps, const char* name) {
    return residual(layers, maps, name, settings.activation_in_block());
  };
  Maps maps = conv(maps_of(frame), "conv");
  switch (settings.structure()) {
    case proto::Stsrn::BASE:
      maps = conv(conv(maps, "conv2"), "conv3");
      break;
    case proto::Stsrn::SINGLE_RESIDUAL:
      maps = tanh_of(pooled(block(conv(maps, "conv2"), "residual1")));
      break;
    case proto::Stsrn::DOUBLE_RESIDUAL:
      maps = tanh_of(pooled(block(maps, "residual1")));
      maps = tanh_of(pooled(block(maps, "residual2")));
      break;
    case proto::Stsrn::TRIPLE_RESIDUAL:
      maps = tanh_of(block(maps, "residual1"));
      maps = tanh_of(pooled(block(maps, "residual2")));
      maps = tanh_of(pooled(block(maps, "residual3")));
      break;
    case proto::Stsrn::DOUBLE_PLAIN_RESIDUAL:
      maps = tanh_of(pooled(plain_residual(layers, maps, "residual1")));
      maps = tanh_of(pooled(plain_residual(layers, maps, "residual2")));
      break;
  }
  return layers.linear(maps.values, "features");
}

// v of one clip: STSM, then the recurrent net, then the mean of o^t. masks: as naive_stsrn has
// them.
Values video_feature(const NaiveLayers& layers, const std::vector<Values>& frames,
                     const proto::Stsrn& settings, const at::Tensor& masks) {
  const size_t size = frames[0].size();
  Values state(size, 0), mean(size, 0);
  for (size_t t = 0; t < frames.size(); ++t) {
    Values x = frames[t];
    for (size_t i = 0; i < size && t > 0 && settings.synergy(); ++i) {
      const double omega = 1 / (1 + std::exp(-layers.weight("synergy")[i]));
      x[i] = (1 - omega) * frames[t][i] + omega * frames[t - 1][i];
    }
    const Values from_input = layers.linear(x, "input_to_hidden");
    const Values from_state = layers.linear(state, "hidden_to_hidden");
    for (size_t i = 0; i < size; ++i) {
      const double hidden = from_input[i] + from_state[i];
      const double output = settings.temporal_residual() ? (hidden + x[i]) / 2 : hidden;
      state[i] = std::tanh(output);
      if (masks.defined() && t + 1 < frames.size()) {
        state[i] *= masks[static_cast<int64_t>(t)][static_cast<int64_t>(i)].item<double>();
      }
      mean[i] += output / static_cast<double>(frames.size());
    }
  }
  return mean;
}

}  // namespace

NaiveStsrnOutput naive_stsrn(const NamedTensors& parameters, const ModelInput& input,
                             const proto::Stsrn& settings, const at::Tensor& masks) {
  const NaiveLayers layers(parameters);
  const at::Tensor all = at::cat({input.clips, input.flow}, 2);
  std::vector<at::Tensor> features, logits;
  for (int64_t clip = 0; clip < all.size(0); ++clip) {
    std::vector<Values> frames;
    for (int64_t t = 0; t < all.size(1); ++t)
      frames.push_back(frame_feature(layers, all[clip][t], settings));
    const Values video =
        video_feature(layers, frames, settings, masks.defined() ? masks[clip] : at::Tensor());
    features.push_back(at::tensor(video, at::kDouble));
    logits.push_back(at::tensor(layers.linear(video, "classifier"), at::kDouble));
  }
  return {at::stack(features), at::stack(logits)};
}

}  // namespace muster::models
