// Weights under which every layer of a deep network matters: first weights as published leave
// little of a signal after some layers, and biases that start at zero hide.
#pragma once

#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>
#include <string>

#include "tests/models/support.h"

namespace muster::models {

// Parameters, then buffers.
inline NamedTensors tensors_of(const torch::nn::Module& network) {
  NamedTensors tensors;
  for (const auto& item : network.named_parameters()) {
    tensors.emplace_back(item.key(), item.value());
  }
  for (const auto& item : network.named_buffers()) tensors.emplace_back(item.key(), item.value());
  return tensors;
}

// Kernels normal with deviation sqrt(2 / fan in), scales and variances around 1, the rest around 0.
inline void randomise_weights(const NamedTensors& tensors, uint64_t key = 1000) {
  const auto ends = [](const std::string& name, const std::string& end) {
    return name.size() >= end.size() &&
           name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  for (const auto& [name, tensor] : tensors) {
    at::Tensor values = normal_tensor(tensor.sizes(), ++key);
    if (tensor.dim() >= 2) {
      values *= std::sqrt(2.0 * static_cast<double>(tensor.size(0)) /
                          static_cast<double>(tensor.numel()));
    } else if (ends(name, "running_var")) {
      values = 1 + 0.3 * values * values;
    } else if (ends(name, "bn.weight")) {
      values = 1 + 0.1 * values;
    } else {
      values *= 0.1;
    }
    tensor.detach().copy_(values);
  }
}

inline int64_t element_count(const NamedTensors& tensors, const std::string& prefix = "") {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors) {
    if (name.compare(0, prefix.size(), prefix) == 0) count += tensor.numel();
  }
  return count;
}

// Derivatives of `loss` by every parameter against finite differences, in three places of each.
// Parameters are float64 leaves. Steps are small because max-pooling and ReLU have kinks.
inline void expect_derivatives(const NamedTensors& parameters,
                               const std::function<at::Tensor()>& loss, double tolerance = 1e-6) {
  for (const auto& [name, value] : parameters) {
    if (value.grad().defined()) value.mutable_grad().zero_();
  }
  loss().backward();
  const at::NoGradGuard constants;
  for (const auto& [name, value] : parameters) {
    ASSERT_TRUE(value.grad().defined()) << name;
    for (const int64_t index : {int64_t{0}, value.numel() / 2, value.numel() - 1}) {
      const double analytic = value.grad().flatten()[index].item<double>();
      const double numeric = numeric_derivative(
          value.detach(), index, [&] { return loss().item<double>(); }, 1e-7);
      EXPECT_NEAR(analytic, numeric, tolerance * std::max(1.0, std::abs(numeric)))
          << name << " " << index;
    }
  }
}

}  // namespace muster::models
