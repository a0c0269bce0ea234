// First values of weights: functions of (seed, parameter name) alone, so that every rank and every
// machine starts from the same network. All work in place.
#pragma once

#include <cstdint>
#include <string>

namespace at {
class Tensor;
}

namespace muster::models {

// Glorot and Bengio's uniform initialisation: U(-l, l), l = sqrt(6 / (fan_in + fan_out)), where
// fans count the kernel's window. `weight` is [out, in] or [out, in, ...].
void xavier_uniform_(const at::Tensor& weight, uint64_t seed, const std::string& name);

// Normal around 0.
void gaussian_(const at::Tensor& weight, double deviation, uint64_t seed, const std::string& name);

// He et al.: normal with deviation sqrt(2 / fan), where fan counts the kernel's window times `in`
// (fan_out: times `out`).
void kaiming_normal_(const at::Tensor& weight, bool fan_out, uint64_t seed,
                     const std::string& name);

// Saxe et al.: orthonormal rows (or columns, where there are fewer) of the [out, rest] matrix, of
// every `out` / `blocks` rows by themselves: an LSTM's matrix has 4 blocks.
void orthogonal_(const at::Tensor& weight, int64_t blocks, uint64_t seed, const std::string& name);

// While one lives, the functions above leave weights as they are, on its thread: for networks that
// are only looked at, or whose weights all come from a file.
class WithoutInitialValues {
 public:
  WithoutInitialValues();
  ~WithoutInitialValues();
  WithoutInitialValues(const WithoutInitialValues&) = delete;
  WithoutInitialValues& operator=(const WithoutInitialValues&) = delete;

 private:
  const bool before_;
};

}  // namespace muster::models
