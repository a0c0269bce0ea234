// Mixed precision: weights are float32 while convolutions and matrix products round what goes in.
//
// torch decides operation by operation (its autocast): products take and give the small type,
// operations that lose by it are cast back, and the others take what comes. A layer that is written
// out here by hand says FullPrecision and casts at its door. Weights are cast each time they are
// used, so that a weight's gradient is added up in float32, and nothing is kept between threads.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceType.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace muster::models {

// While it lives, operations of this thread on `device` work in `type`: kHalf or kBFloat16 (of a
// CPU kBFloat16 alone); kFloat and kDouble change nothing. Backward needs none of it. Nested ones
// end in the order of a stack.
class Autocast {
 public:
  Autocast(c10::DeviceType device, at::ScalarType type);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const bool active_, on_gpu_;
  bool was_enabled_ = false, was_cached_ = false;
  at::ScalarType type_before_ = at::kFloat;
};

// While it lives, this thread's operations take what comes, whatever Autocast is around it.
class FullPrecision {
 private:
  const c10::impl::ExcludeDispatchKeyGuard no_autocast_{c10::autocast_dispatch_keyset};
};

// float32 of what Autocast left smaller, differentiable; anything else as it is.
at::Tensor in_full_precision(const at::Tensor& values);

}  // namespace muster::models
