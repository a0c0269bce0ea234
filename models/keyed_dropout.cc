#include "models/keyed_dropout.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::models {

void fill_dropout_mask(float* mask, int64_t count, double probability, uint64_t clip_key,
                       uint64_t layer) {
  MUSTER_REQUIRE(probability, <, 1.0);
  const auto scale = static_cast<float>(1.0 / (1.0 - probability));
  common::KeyedRandom random(common::combined_key({clip_key, layer}));
  for (int64_t i = 0; i < count; ++i) mask[i] = random.chance(probability) ? 0.0f : scale;
}

at::Tensor keyed_dropout(const at::Tensor& values, double probability,
                         const std::vector<uint64_t>& clip_keys, uint64_t layer) {
  if (probability == 0) return values;
  MUSTER_REQUIRE(values.size(0), ==, static_cast<int64_t>(clip_keys.size()));
  const int64_t clips = values.size(0);
  const int64_t per_clip = clips > 0 ? values.numel() / clips : 0;
  // Drawn on the processor wherever the values are, so that they are the same; copied without a
  // wait.
  at::Tensor mask =
      at::empty(values.sizes(), at::TensorOptions(at::kFloat).pinned_memory(values.is_cuda()));
  auto* target = mask.data_ptr<float>();
  for (const uint64_t key : clip_keys) {
    fill_dropout_mask(target, per_clip, probability, key, layer);
    target += per_clip;
  }
  return values * mask.to(values.options(), /*non_blocking=*/true);
}

}  // namespace muster::models
