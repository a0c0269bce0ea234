#include <ATen/ATen.h>

#include <cmath>

#include "trainer/update_kernels.h"

namespace muster::trainer {
namespace {

// The gradients become what the rules mean by g.
void clip_in_place(const UpdateLists& lists, const GradientClipping& clipping,
                   double weight_decay) {
  if (clipping.clamp > 0) {
    for (const at::Tensor& gradient : lists.gradients) {
      gradient.clamp_(-clipping.clamp, clipping.clamp);
    }
  }
  if (clipping.scale != 1) at::_foreach_mul_(lists.gradients, clipping.scale);
  if (weight_decay != 0) at::_foreach_add_(lists.gradients, lists.values, weight_decay);
}

// One element: the norm of all tensors together, float64.
at::Tensor norm_of_all(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> norms = at::_foreach_norm(tensors, 2);
  for (at::Tensor& norm : norms) norm = norm.to(at::kDouble);
  return at::stack(norms).norm();
}

class TensorKernels : public UpdateKernels {
 public:
  GradientNorms norms(const std::vector<at::Tensor>& gradients, double clamp) const override {
    const at::NoGradGuard constants;
    if (gradients.empty()) return {};
    const at::Tensor whole = norm_of_all(gradients);
    if (clamp <= 0) {
      const double norm = whole.item<double>();
      return {norm, norm};
    }
    std::vector<at::Tensor> clamped;
    for (const at::Tensor& gradient : gradients) clamped.push_back(gradient.clamp(-clamp, clamp));
    const at::Tensor both = at::stack({whole, norm_of_all(clamped)}).cpu();
    return {both[0].item<double>(), both[1].item<double>()};
  }

  void sgd(const UpdateLists& lists, const GradientClipping& clipping,
           const SgdRule& rule) const override {
    const at::NoGradGuard constants;
    if (lists.values.empty()) return;
    clip_in_place(lists, clipping, rule.weight_decay);
    if (lists.first.empty()) {
      at::_foreach_add_(lists.values, lists.gradients, -rule.rate);
      return;
    }
    at::_foreach_mul_(lists.first, rule.momentum_factor);
    at::_foreach_add_(lists.first, lists.gradients, 1);
    if (!rule.nesterov) {
      at::_foreach_add_(lists.values, lists.first, -rule.rate);
      return;
    }
    at::_foreach_add_(lists.gradients, lists.first, rule.momentum_factor);
    at::_foreach_add_(lists.values, lists.gradients, -rule.rate);
  }

  void adam(const UpdateLists& lists, const GradientClipping& clipping,
            const AdamRule& rule) const override {
    const at::NoGradGuard constants;
    if (lists.values.empty()) return;
    clip_in_place(lists, clipping, rule.weight_decay);
    at::_foreach_mul_(lists.first, rule.beta1);
    at::_foreach_add_(lists.first, lists.gradients, 1 - rule.beta1);
    at::_foreach_mul_(lists.second, rule.beta2);
    at::_foreach_addcmul_(lists.second, lists.gradients, lists.gradients, 1 - rule.beta2);
    const auto steps = static_cast<double>(rule.step);
    std::vector<at::Tensor> roots = at::_foreach_sqrt(lists.second);
    at::_foreach_mul_(roots, 1 / std::sqrt(1 - std::pow(rule.beta2, steps)));
    at::_foreach_add_(roots, rule.epsilon);
    at::_foreach_addcdiv_(lists.values, lists.first, roots,
                          -rule.rate / (1 - std::pow(rule.beta1, steps)));
  }
};

}  // namespace

const UpdateKernels& tensor_kernels() {
  static const TensorKernels kernels;
  return kernels;
}

}  // namespace muster::trainer
