#include "trainer/global_signature.h"

#include <ATen/ATen.h>

#include <numeric>

#include "common/error.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {

GlobalSignature::GlobalSignature(const models::Signature& own, const at::Tensor& labels,
                                 const std::vector<int64_t>& counts, Communicator& communicator)
    : own_(own),
      own_labels_(labels),
      counts_(counts),
      communicator_(communicator),
      first_row_(std::accumulate(counts.begin(), counts.begin() + communicator.rank(), int64_t{0})),
      rows_(std::accumulate(counts.begin(), counts.end(), int64_t{0})) {}

const at::Tensor& GlobalSignature::all(const std::string& name) {
  const auto [entry, is_new] = all_.try_emplace(name);
  if (is_new) entry->second = gather_rows(own_.at(name), counts_, communicator_);
  return entry->second;
}

const models::Signature& GlobalSignature::all() {
  for (const auto& [name, value] : own_) all(name);
  return all_;
}

const at::Tensor& GlobalSignature::all_labels() {
  if (!all_labels_.defined()) {
    all_labels_ = gather_constant_rows(own_labels_, counts_, communicator_);
  }
  return all_labels_;
}

at::Tensor GlobalSignature::tuple_rows(int64_t n) const {
  MUSTER_REQUIRE(rows_ % n, ==, 0);
  const int64_t end = first_row_ + own_labels_.size(0);
  const int64_t begin = std::min(end, (first_row_ + n - 1) / n * n);
  return at::arange(begin, end, n, own_labels_.options());
}

}  // namespace muster::trainer
