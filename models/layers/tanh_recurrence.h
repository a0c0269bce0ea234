// The recurrent net of CNN-RNN and STSRN, less what can be done for all time steps at once.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/model.h"

namespace muster::models {

// o_1 = d_1,  o_t = d_t + scale W (m_{t-1} * tanh(o_{t-1}))
//   drive   d [clips, frames, features], frames >= 1: all that does not depend on earlier outputs
//   weight  W [features, features]
//   masks   m [clips, frames - 1, features], the factors of dropout; undefined: 1
// Returns o [clips, frames, features]. A step costs one product, forward as backward; the gradient
// of W is one product over all steps. Differentiable once, in drive and weight.
at::Tensor tanh_recurrence(const at::Tensor& drive, const at::Tensor& weight, double scale,
                           const at::Tensor& masks);

// Masks for `drive`: of keyed dropout in training, otherwise undefined.
at::Tensor recurrent_masks(const at::Tensor& drive, double probability,
                           const ForwardContext& context);

}  // namespace muster::models
