#include "tests/models/naive_cnn_rnn.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "tests/models/naive_frames.h"

namespace muster::models {
namespace {

// e_t of one frame [5, height, width]; Tanh before the pool, as the original has them.
Values embedding(const NaiveLayers& layers, const at::Tensor& frame) {
  Maps maps = maps_of(frame);
  for (const char* name : {"conv", "conv2", "conv3"}) {
    maps = pooled(tanh_of(layers.convolution(maps, name, 5, 4)));
  }
  return layers.linear(maps.values, "features");
}

// The mean of o_t over one clip's frames. masks: as naive_cnn_rnn has them.
Values video_feature(const NaiveLayers& layers, const std::vector<Values>& embeddings,
                     const at::Tensor& masks) {
  Values output, mean(embeddings[0].size(), 0);
  for (size_t t = 0; t < embeddings.size(); ++t) {
    Values recurrent = layers.weight("start");
    if (t > 0) {
      Values state = output;
      for (size_t i = 0; i < state.size(); ++i) {
        state[i] = std::tanh(state[i]);
        if (!masks.defined()) continue;
        state[i] *= masks[static_cast<int64_t>(t) - 1][static_cast<int64_t>(i)].item<double>();
      }
      recurrent = layers.linear(state, "hidden_to_hidden");
    }
    output = embeddings[t];
    for (size_t i = 0; i < output.size(); ++i) {
      output[i] += recurrent[i];
      mean[i] += output[i] / static_cast<double>(embeddings.size());
    }
  }
  return mean;
}

}  // namespace

NaiveCnnRnnOutput naive_cnn_rnn(const NamedTensors& parameters, const ModelInput& input,
                                const at::Tensor& masks) {
  const NaiveLayers layers(parameters);
  const at::Tensor all = at::cat({input.clips, input.flow}, 2);
  std::vector<at::Tensor> features, logits;
  for (int64_t clip = 0; clip < all.size(0); ++clip) {
    std::vector<Values> embeddings;
    for (int64_t t = 0; t < all.size(1); ++t) embeddings.push_back(embedding(layers, all[clip][t]));
    const Values video =
        video_feature(layers, embeddings, masks.defined() ? masks[clip] : at::Tensor());
    features.push_back(at::tensor(video, at::kDouble));
    logits.push_back(at::tensor(layers.linear(video, "classifier"), at::kDouble));
  }
  return {at::stack(features), at::stack(logits)};
}

}  // namespace muster::models
