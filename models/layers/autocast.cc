#include "models/layers/autocast.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "common/error.h"

// LibTorch 2.4 gave these functions new names with a device and still has the old ones.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace muster::models {
namespace {

namespace autocast = at::autocast;

bool is_on(bool gpu) { return gpu ? autocast::is_enabled() : autocast::is_cpu_enabled(); }

void switch_to(bool gpu, bool on) {
  gpu ? autocast::set_enabled(on) : autocast::set_cpu_enabled(on);
}

at::ScalarType type_now(bool gpu) {
  return gpu ? autocast::get_autocast_gpu_dtype() : autocast::get_autocast_cpu_dtype();
}

void set_type(bool gpu, at::ScalarType type) {
  gpu ? autocast::set_autocast_gpu_dtype(type) : autocast::set_autocast_cpu_dtype(type);
}

bool is_small(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

}  // namespace

Autocast::Autocast(c10::DeviceType device, at::ScalarType type)
    : active_(is_small(type)), on_gpu_(device == c10::DeviceType::CUDA) {
  if (!active_) return;
  MUSTER_REQUIRE((on_gpu_ || type == at::kBFloat16), ==, true);
  was_enabled_ = is_on(on_gpu_);
  was_cached_ = autocast::is_autocast_cache_enabled();
  type_before_ = type_now(on_gpu_);
  set_type(on_gpu_, type);
  autocast::set_autocast_cache_enabled(false);
  switch_to(on_gpu_, true);
}

Autocast::~Autocast() {
  if (!active_) return;
  switch_to(on_gpu_, was_enabled_);
  autocast::set_autocast_cache_enabled(was_cached_);
  set_type(on_gpu_, type_before_);
}

at::Tensor in_full_precision(const at::Tensor& values) {
  return values.defined() && is_small(values.scalar_type()) ? values.to(at::kFloat) : values;
}

}  // namespace muster::models
