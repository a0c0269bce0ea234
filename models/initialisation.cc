#include "models/initialisation.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::models {
namespace {

thread_local bool without_values = false;

// FNV-like folding would do; the mixing of common is at hand.
uint64_t name_key(const std::string& name) {
  uint64_t key = name.size();
  for (const char character : name) {
    key = common::combined_key({key, static_cast<unsigned char>(character)});
  }
  return key;
}

common::KeyedRandom random_of(uint64_t seed, const std::string& name) {
  return common::KeyedRandom(common::combined_key({seed, name_key(name)}));
}

// Fills with next() in the order of memory.
template <typename Next>
void fill(const at::Tensor& weight, const Next& next) {
  if (without_values) return;
  at::Tensor values = at::empty(weight.sizes(), at::TensorOptions(at::kFloat));
  auto* value = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) value[i] = static_cast<float>(next());
  weight.detach().copy_(values);
}

// Of the kernel's window.
double window_of(const at::Tensor& weight) {
  MUSTER_REQUIRE(weight.dim(), >=, 2);
  return static_cast<double>(weight.numel()) /
         (static_cast<double>(weight.size(0)) * static_cast<double>(weight.size(1)));
}

}  // namespace

void xavier_uniform_(const at::Tensor& weight, uint64_t seed, const std::string& name) {
  const double fans = window_of(weight) * static_cast<double>(weight.size(0) + weight.size(1));
  const double limit = std::sqrt(6.0 / fans);
  common::KeyedRandom random = random_of(seed, name);
  fill(weight, [&] { return random.uniform(-limit, limit); });
}

void gaussian_(const at::Tensor& weight, double deviation, uint64_t seed, const std::string& name) {
  common::KeyedRandom random = random_of(seed, name);
  fill(weight, [&] { return deviation * random.normal(); });
}

void kaiming_normal_(const at::Tensor& weight, bool fan_out, uint64_t seed,
                     const std::string& name) {
  const double fan = window_of(weight) * static_cast<double>(weight.size(fan_out ? 0 : 1));
  gaussian_(weight, std::sqrt(2.0 / fan), seed, name);
}

void orthogonal_(const at::Tensor& weight, int64_t blocks, uint64_t seed, const std::string& name) {
  MUSTER_REQUIRE(weight.dim(), >=, 2);
  MUSTER_REQUIRE(weight.size(0) % blocks, ==, 0);
  if (without_values) return;
  gaussian_(weight, 1.0, seed, name);
  for (const at::Tensor& block : weight.detach().flatten(1).chunk(blocks, 0)) {
    const at::Tensor values = block.to(at::kDouble);
    const bool wide = values.size(0) < values.size(1);
    auto [q, r] = at::linalg_qr(wide ? values.t() : values);
    // Signs that make the answer unique.
    q = q * at::sign(r.diagonal());
    block.copy_(wide ? q.t() : q);
  }
}

WithoutInitialValues::WithoutInitialValues() : before_(without_values) { without_values = true; }

WithoutInitialValues::~WithoutInitialValues() { without_values = before_; }

}  // namespace muster::models
