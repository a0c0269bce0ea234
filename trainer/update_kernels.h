// The arithmetic of optimisers over lists of parameters, one pass a step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace muster::trainer {

// Entry i of each list belongs to parameter i; its tensors have one shape, type and device.
struct UpdateLists {
  std::vector<at::Tensor> values, gradients;
  std::vector<at::Tensor> first;   // SGD's momentum or Adam's first moment; empty: SGD without
  std::vector<at::Tensor> second;  // Adam's second moment
};

// The gradient that the rules mean by g: scale * min(max(gradient, -clamp), clamp).
struct GradientClipping {
  double clamp = 0;  // 0: off
  double scale = 1;
};

// g += weight_decay * value, then
//   momentum' = momentum_factor * momentum + g
//   value' = value - rate * (nesterov ? g + momentum_factor * momentum' : momentum')
struct SgdRule {
  double rate = 0, momentum_factor = 0, weight_decay = 0;
  bool nesterov = false;
};

// g += weight_decay * value, then for the t-th step (1 for the first)
//   first' = beta1 * first + (1 - beta1) * g,  second' = beta2 * second + (1 - beta2) * g^2
//   value' = value - rate * first' / (1 - beta1^t) / (sqrt(second' / (1 - beta2^t)) + epsilon)
struct AdamRule {
  double rate = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;
  int64_t step = 0;
};

struct GradientNorms {
  double whole = 0;    // L2, of all gradients together
  double clamped = 0;  // the same after the clamp
};

// Stateless, any thread. Nothing here builds a graph.
class UpdateKernels {
 public:
  virtual ~UpdateKernels() = default;
  // Leaves the gradients as they are. Waits for the device once, if at all.
  virtual GradientNorms norms(const std::vector<at::Tensor>& gradients, double clamp) const = 0;
  // Change values and state in place; may leave anything in the gradients. Do not wait.
  virtual void sgd(const UpdateLists& lists, const GradientClipping& clipping,
                   const SgdRule& rule) const = 0;
  virtual void adam(const UpdateLists& lists, const GradientClipping& clipping,
                    const AdamRule& rule) const = 0;
};

// One loop over the elements, for contiguous float32 and float64 in host memory: each value is read
// and written once. The same bits on any number of threads.
const UpdateKernels& loop_kernels();
// Operations on tensors, anywhere.
const UpdateKernels& tensor_kernels();

}  // namespace muster::trainer
