// What the tests of CNN-RNN and STSRN share.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "proto/model.pb.h"
#include "tests/models/support.h"

namespace muster::models {

inline proto::Model parsed_model(const std::string& text) {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &options)) << text;
  return options;
}

// Biases and the like start at zero; tests that compare formulas need values everywhere.
inline void randomise_vectors(const Model& model) {
  uint64_t key = 1000;
  for (const auto& [name, value] : model.parameters()) {
    if (value.dim() == 1) value.detach().copy_(0.5 * normal_tensor(value.sizes(), ++key));
  }
}

inline ModelInput random_input(int64_t clips, int64_t frames, at::ScalarType type = at::kDouble,
                               uint64_t key = 1) {
  ModelInput input;
  input.clips = normal_tensor({clips, frames, 3, 56, 40}, 2 * key, type);
  input.flow = normal_tensor({clips, frames, 2, 56, 40}, 2 * key + 1, type);
  return input;
}

inline ModelInput clip_of(const ModelInput& input, int64_t clip) {
  ModelInput one;
  one.clips = input.clips.narrow(0, clip, 1);
  one.flow = input.flow.narrow(0, clip, 1);
  return one;
}

inline at::Tensor features_of(Model& model, const ModelInput& input,
                              const ForwardContext& context = evaluation_context()) {
  return model.forward(input, context).signature.at("features");
}

inline int64_t parameter_count(const Model& model) {
  int64_t count = 0;
  for (const auto& [name, value] : model.parameters()) count += value.numel();
  return count;
}

// Of a weighted sum of the identity scores, in the first, middle and last value of every parameter.
inline void expect_gradients_by_finite_differences(Model& model, const ModelInput& input,
                                                   const ForwardContext& context) {
  const auto loss = [&] {
    const at::Tensor logits = model.forward(input, context).logits.at("identity");
    return (logits * normal_tensor(logits.sizes(), 77)).sum();
  };
  loss().backward();
  for (const auto& [name, value] : model.parameters()) {
    ASSERT_TRUE(value.grad().defined()) << name;
    for (const int64_t index : {int64_t{0}, value.numel() / 2, value.numel() - 1}) {
      const double analytic = value.grad().flatten()[index].item<double>();
      const double numeric =
          numeric_derivative(value.detach(), index, [&] { return loss().item<double>(); });
      EXPECT_NEAR(analytic, numeric, 1e-7 * std::max(1.0, std::abs(numeric))) << name << index;
    }
  }
}

}  // namespace muster::models
