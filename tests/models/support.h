// What the tests of models share: tensors from a key, contexts, finite differences.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "common/keyed_random.h"
#include "models/model.h"

namespace muster::models {

// Standard normal values, a function of `key` alone.
inline at::Tensor normal_tensor(at::IntArrayRef shape, uint64_t key,
                                at::ScalarType type = at::kDouble) {
  at::Tensor values = at::empty(shape, at::TensorOptions(at::kDouble));
  common::KeyedRandom random(key);
  for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<double>()[i] = random.normal();
  return values.to(type);
}

inline at::Tensor label_tensor_of(const std::vector<int64_t>& labels) {
  return at::tensor(labels, at::TensorOptions(at::kLong));
}

inline bool same_values(const at::Tensor& left, const at::Tensor& right) {
  return left.sizes() == right.sizes() && left.eq(right).all().item<bool>();
}

inline double largest_difference(const at::Tensor& left, const at::Tensor& right) {
  return (left.to(at::kDouble) - right.to(at::kDouble)).abs().max().item<double>();
}

// (f(x + h) - f(x - h)) / 2h in element `index` of a contiguous float64 tensor, which is put back.
inline double numeric_derivative(const at::Tensor& variable, int64_t index,
                                 const std::function<double()>& function, double h = 1e-6) {
  double* element = variable.data_ptr<double>() + index;
  const double original = *element;
  *element = original + h;
  const double above = function();
  *element = original - h;
  const double below = function();
  *element = original;
  return (above - below) / (2 * h);
}

inline ForwardContext evaluation_context() {
  static OwnStatistics statistics;
  ForwardContext context;
  context.statistics = &statistics;
  return context;
}

inline ForwardContext training_context(std::vector<uint64_t> clip_keys) {
  ForwardContext context = evaluation_context();
  context.training = true;
  context.clip_keys = std::move(clip_keys);
  return context;
}

}  // namespace muster::models
