#include "trainer/gradient_buckets.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "common/error.h"

namespace muster::trainer {
namespace {

int64_t bytes_of_parameter(const at::Tensor& parameter) {
  return parameter.numel() * static_cast<int64_t>(parameter.element_size());
}

bool share_a_kind(const at::Tensor& left, const at::Tensor& right) {
  return left.scalar_type() == right.scalar_type() && left.device() == right.device();
}

// No view in autograd's sense: an optimiser may detach it.
at::Tensor gradient_view(const at::Tensor& flat, int64_t offset, const at::Tensor& parameter) {
  const at::AutoDispatchBelowADInplaceOrView plain_tensors;
  const at::Tensor part = flat.narrow(0, offset, parameter.numel());
  if (parameter.is_contiguous() || !parameter.is_non_overlapping_and_dense()) {
    return part.view(parameter.sizes());
  }
  return part.as_strided(parameter.sizes(), parameter.strides());
}

}  // namespace

std::vector<std::vector<size_t>> assign_buckets(const std::vector<at::Tensor>& parameters,
                                                const std::vector<size_t>& order,
                                                int64_t bucket_bytes) {
  MUSTER_REQUIRE(order.size(), ==, parameters.size());
  std::vector<std::vector<size_t>> buckets;
  int64_t filled_bytes = 0;
  for (const size_t next : order) {
    const at::Tensor& parameter = parameters.at(next);
    const int64_t bytes = bytes_of_parameter(parameter);
    const bool fits = !buckets.empty() && filled_bytes + bytes <= bucket_bytes &&
                      share_a_kind(parameter, parameters[buckets.back().front()]);
    if (!fits) {
      buckets.emplace_back();
      filled_bytes = 0;
    }
    buckets.back().push_back(next);
    filled_bytes += bytes;
  }
  return buckets;
}

int64_t bytes_of_bucket(const std::vector<at::Tensor>& parameters, int64_t bucket_bytes) {
  constexpr int64_t kMessages = 8, kLeastBytes = int64_t{128} << 10;
  int64_t total = 0;
  for (const at::Tensor& parameter : parameters) total += bytes_of_parameter(parameter);
  return std::min(bucket_bytes, std::max(kLeastBytes, total / kMessages));
}

GradientBuckets::GradientBuckets(const std::vector<at::Tensor>& parameters,
                                 const std::vector<size_t>& order, int64_t bucket_bytes)
    : parameters_(parameters),
      views_(parameters.size()),
      members_(assign_buckets(parameters, order, bytes_of_bucket(parameters, bucket_bytes))),
      bucket_of_(parameters.size(), parameters.size()) {
  for (size_t bucket = 0; bucket < members_.size(); ++bucket) {
    int64_t elements = 0;
    for (const size_t member : members_[bucket]) elements += parameters[member].numel();
    const at::Tensor& like = parameters[members_[bucket].front()];
    flats_.push_back(at::zeros({elements}, like.options().requires_grad(false)));
    int64_t offset = 0;
    for (const size_t member : members_[bucket]) {
      MUSTER_REQUIRE(bucket_of_[member], ==, parameters.size());  // once in the order
      bucket_of_[member] = bucket;
      views_[member] = gradient_view(flats_.back(), offset, parameters[member]);
      offset += parameters[member].numel();
    }
  }
}

void GradientBuckets::reset() {
  for (at::Tensor& flat : flats_) flat.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!attached(i)) parameters_[i].mutable_grad() = views_[i];
  }
}

bool GradientBuckets::attached(size_t parameter) const {
  const at::Tensor& gradient = parameters_[parameter].grad();
  return gradient.defined() && gradient.is_same(views_[parameter]);
}

}  // namespace muster::trainer
