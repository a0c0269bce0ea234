// What the tests of losses share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "tests/models/support.h"

namespace muster::models {

// Gradients of `loss` in all elements of contiguous float64 leaves, against finite differences.
inline void expect_gradients(const std::vector<at::Tensor>& variables,
                             const std::function<at::Tensor()>& loss) {
  for (const at::Tensor& variable : variables) variable.mutable_grad() = at::Tensor();
  loss().backward();
  for (size_t which = 0; which < variables.size(); ++which) {
    const at::Tensor& variable = variables[which];
    ASSERT_TRUE(variable.grad().defined()) << which;
    for (int64_t i = 0; i < variable.numel(); ++i) {
      const double numeric = numeric_derivative(variable, i, [&] { return loss().item<double>(); });
      EXPECT_NEAR(variable.grad().flatten()[i].item<double>(), numeric, 1e-6) << which << " " << i;
    }
  }
}

// |x - y| of two vectors in a plain loop, at least 1e-6.
inline double plain_distance(const at::Tensor& x, const at::Tensor& y) {
  double squares = 0;
  for (int64_t i = 0; i < x.size(0); ++i) {
    squares += std::pow(x[i].item<double>() - y[i].item<double>(), 2);
  }
  return std::sqrt(std::max(squares, 1e-12));
}

inline bool all_finite(const at::Tensor& values) { return at::isfinite(values).all().item<bool>(); }

inline at::Tensor flags(const std::vector<int64_t>& values) {
  return at::tensor(values, at::TensorOptions(at::kLong)).to(at::kBool);
}

}  // namespace muster::models
