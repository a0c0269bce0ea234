#include "models/keyed_dropout.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::models {

at::Tensor keyed_dropout(const at::Tensor& values, double probability,
                         const std::vector<uint64_t>& clip_keys, uint64_t layer) {
  if (probability == 0) return values;
  MUSTER_REQUIRE(probability, <, 1.0);
  MUSTER_REQUIRE(values.size(0), ==, static_cast<int64_t>(clip_keys.size()));
  const int64_t clips = values.size(0);
  const int64_t per_clip = clips > 0 ? values.numel() / clips : 0;
  at::Tensor mask = at::empty(values.sizes(), at::TensorOptions(at::kFloat));
  auto* target = mask.data_ptr<float>();
  const auto scale = static_cast<float>(1.0 / (1.0 - probability));
  for (int64_t clip = 0; clip < clips; ++clip) {
    common::KeyedRandom random(common::combined_key({clip_keys[static_cast<size_t>(clip)], layer}));
    for (int64_t i = 0; i < per_clip; ++i) *target++ = random.chance(probability) ? 0.0f : scale;
  }
  return values * mask.to(values.options());
}

}  // namespace muster::models
