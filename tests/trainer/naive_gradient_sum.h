// Sums of gradients as plainly as possible, for comparison with the reducer.
#pragma once

#include <ATen/ATen.h>

#include "models/model.h"
#include "trainer/communicator.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {

// After backward: one message after the other; an undefined gradient counts as zeros.
inline void sum_gradients(const models::NamedTensors& parameters, Communicator& communicator) {
  for (const auto& [name, value] : parameters) {
    const at::Tensor own = value.grad().defined() ? value.grad() : at::zeros_like(value.detach());
    const at::Tensor sum = own.detach().clone(at::MemoryFormat::Contiguous);
    communicator.all_reduce_sum(sum.data_ptr(), sum.numel(), element_type(sum))->wait();
    value.mutable_grad() = sum;
  }
}

}  // namespace muster::trainer
