#include "models/initialisation.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::models {
namespace {

// FNV-like folding would do; the mixing of common is at hand.
uint64_t name_key(const std::string& name) {
  uint64_t key = name.size();
  for (const char character : name) {
    key = common::combined_key({key, static_cast<unsigned char>(character)});
  }
  return key;
}

}  // namespace

void xavier_uniform_(const at::Tensor& weight, uint64_t seed, const std::string& name) {
  MUSTER_REQUIRE(weight.dim(), >=, 2);
  const double window = static_cast<double>(weight.numel()) /
                        (static_cast<double>(weight.size(0)) * static_cast<double>(weight.size(1)));
  const double fans = window * static_cast<double>(weight.size(0) + weight.size(1));
  const double limit = std::sqrt(6.0 / fans);
  common::KeyedRandom random(common::combined_key({seed, name_key(name)}));
  at::Tensor values = at::empty(weight.sizes(), at::TensorOptions(at::kFloat));
  auto* value = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    value[i] = static_cast<float>(random.uniform(-limit, limit));
  }
  weight.detach().copy_(values);
}

}  // namespace muster::models
