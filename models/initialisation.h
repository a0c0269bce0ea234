// First values of weights: functions of (seed, parameter name) alone, so that every rank and every
// machine starts from the same network.
#pragma once

#include <cstdint>
#include <string>

namespace at {
class Tensor;
}

namespace muster::models {

// Glorot and Bengio's uniform initialisation, in place: U(-l, l), l = sqrt(6 / (fan_in + fan_out)),
// where fans count the kernel's window. `weight` is [out, in] or [out, in, height, width].
void xavier_uniform_(const at::Tensor& weight, uint64_t seed, const std::string& name);

}  // namespace muster::models
