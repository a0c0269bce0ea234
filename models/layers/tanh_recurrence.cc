#include "models/layers/tanh_recurrence.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "common/error.h"
#include "models/keyed_dropout.h"
#include "models/layers/autocast.h"

namespace muster::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Step t of the recurrence drops by layer kStepDropoutLayer + t.
constexpr uint64_t kStepDropoutLayer = 1000;

// All tensors but `weight` have axes [frames, clips, features] here.
struct TanhRecurrence : torch::autograd::Function<TanhRecurrence> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& drive,
                            const at::Tensor& weight, const c10::optional<at::Tensor>& masks,
                            double scale) {
    const at::Tensor outputs = drive.clone(at::MemoryFormat::Contiguous);
    const int64_t steps = outputs.size(0) - 1;
    const at::Tensor states = at::empty_like(outputs.narrow(0, 0, steps));
    const at::Tensor transposed = weight.t();
    for (int64_t t = 0; t < steps; ++t) {
      at::Tensor state = states[t];
      at::tanh_out(state, outputs[t]);
      outputs[t + 1].addmm_(masks ? state * (*masks)[t] : state, transposed, 1, scale);
    }
    context->save_for_backward({states, weight, masks.value_or(at::Tensor())});
    context->saved_data["scale"] = scale;
    return outputs;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &states = saved[0], &weight = saved[1], &masks = saved[2];
    const double scale = context->saved_data["scale"].toDouble();
    const at::Tensor total = gradients[0].clone(at::MemoryFormat::Contiguous);
    const int64_t steps = states.size(0);
    // Of scale * mask * tanh, all steps at once.
    at::Tensor slopes = (1 - states * states) * scale;
    if (masks.defined()) slopes = slopes * masks;
    for (int64_t t = steps - 1; t >= 0; --t) {
      total[t].addcmul_(at::mm(total[t + 1], weight), slopes[t]);
    }
    const at::Tensor inputs = masks.defined() ? states * masks : states;
    const at::Tensor of_weight =
        total.narrow(0, 1, steps).flatten(0, 1).t().mm(inputs.flatten(0, 1)) * scale;
    return {total, of_weight, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor tanh_recurrence(const at::Tensor& drive, const at::Tensor& weight, double scale,
                           const at::Tensor& masks) {
  MUSTER_REQUIRE(drive.dim(), ==, 3);
  MUSTER_REQUIRE(drive.size(1), >=, 1);
  MUSTER_REQUIRE(weight.size(0), ==, drive.size(2));
  MUSTER_REQUIRE(weight.size(1), ==, drive.size(2));
  if (masks.defined()) MUSTER_REQUIRE(masks.size(1), ==, drive.size(1) - 1);
  const FullPrecision by_hand;
  c10::optional<at::Tensor> by_step;
  if (masks.defined()) by_step = in_full_precision(masks).transpose(0, 1).contiguous();
  return TanhRecurrence::apply(in_full_precision(drive).transpose(0, 1), weight, by_step, scale)
      .transpose(0, 1);
}

at::Tensor recurrent_masks(const at::Tensor& drive, double probability,
                           const ForwardContext& context) {
  const int64_t steps = drive.size(1) - 1;
  if (!context.training || probability == 0 || steps == 0) return {};
  // keyed_dropout(ones) of every step, drawn into one tensor.
  const int64_t clips = drive.size(0), features = drive.size(2);
  MUSTER_REQUIRE(clips, ==, static_cast<int64_t>(context.clip_keys.size()));
  const at::Tensor masks = at::empty({clips, steps, features},
                                     at::TensorOptions(at::kFloat).pinned_memory(drive.is_cuda()));
  auto* target = masks.data_ptr<float>();
  for (const uint64_t key : context.clip_keys) {
    for (int64_t t = 0; t < steps; ++t, target += features) {
      fill_dropout_mask(target, features, probability, key,
                        kStepDropoutLayer + static_cast<uint64_t>(t));
    }
  }
  return masks.to(drive.options(), /*non_blocking=*/true);
}

}  // namespace muster::models
