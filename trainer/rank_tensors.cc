#include "trainer/rank_tensors.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <chrono>
#include <numeric>

#include "common/error.h"

namespace muster::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Elements per rank, from rows per rank.
std::vector<int64_t> element_counts(const at::Tensor& rows, const std::vector<int64_t>& counts) {
  int64_t per_row = 1;
  for (int64_t axis = 1; axis < rows.dim(); ++axis) per_row *= rows.size(axis);
  std::vector<int64_t> elements;
  for (const int64_t count : counts) elements.push_back(count * per_row);
  return elements;
}

struct GatherRows : Function<GatherRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& local,
                            const std::vector<int64_t>& counts, Communicator* communicator) {
    context->saved_data["counts"] = counts;
    context->saved_data["communicator"] = reinterpret_cast<int64_t>(communicator);
    context->saved_data["rows"] = local.size(0);
    return gather_constant_rows(local, counts, *communicator);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto counts = context->saved_data["counts"].toIntVector();
    auto* communicator =
        reinterpret_cast<Communicator*>(context->saved_data["communicator"].toInt());
    const at::Tensor all = gradients[0].contiguous();
    if (communicator->size() == 1) return {all, at::Tensor(), at::Tensor()};
    std::vector<int64_t> shape = all.sizes().vec();
    shape[0] = context->saved_data["rows"].toInt();
    at::Tensor local = at::empty(shape, all.options());
    communicator_for(all, *communicator)
        .reduce_scatter_sum(all.data_ptr(), local.data_ptr(), element_counts(all, counts),
                            element_type(all));
    return {local, at::Tensor(), at::Tensor()};
  }
};

at::Tensor summed_copy(const at::Tensor& value, Communicator& communicator) {
  at::Tensor sum = value.detach().clone(at::MemoryFormat::Contiguous);
  communicator_for(sum, communicator)
      .all_reduce_sum(sum.data_ptr(), sum.numel(), element_type(sum))
      ->wait();
  return sum;
}

struct SumOverRanks : Function<SumOverRanks> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& local,
                            Communicator* communicator) {
    context->saved_data["communicator"] = reinterpret_cast<int64_t>(communicator);
    return summed_copy(local, *communicator);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto* communicator =
        reinterpret_cast<Communicator*>(context->saved_data["communicator"].toInt());
    return {summed_copy(gradients[0], *communicator), at::Tensor()};
  }
};

}  // namespace

ElementType element_type(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return ElementType::kFloat32;
  if (tensor.scalar_type() == at::kLong) return ElementType::kInt64;
  MUSTER_REQUIRE(at::toString(tensor.scalar_type()), ==, std::string("Double"));
  return ElementType::kFloat64;
}

Communicator& communicator_for(const at::Tensor& tensor, Communicator& communicator) {
  return tensor.is_cpu() ? communicator : communicator.for_gpu_memory();
}

at::Tensor gather_constant_rows(const at::Tensor& local, const std::vector<int64_t>& counts,
                                Communicator& communicator) {
  MUSTER_REQUIRE(static_cast<int>(counts.size()), ==, communicator.size());
  MUSTER_REQUIRE(local.size(0), ==, counts[static_cast<size_t>(communicator.rank())]);
  const at::Tensor rows = local.contiguous();
  if (communicator.size() == 1) return rows.clone();
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  at::Tensor all = at::empty(shape, rows.options());
  communicator_for(rows, communicator)
      .all_gather(rows.data_ptr(), all.data_ptr(), element_counts(rows, counts),
                  element_type(rows));
  return all;
}

at::Tensor gather_rows(const at::Tensor& local, const std::vector<int64_t>& counts,
                       Communicator& communicator) {
  return GatherRows::apply(local, counts, &communicator);
}

at::Tensor CommunicatorStatisticsExchange::sum(const at::Tensor& local) {
  const auto began = std::chrono::steady_clock::now();
  const at::Tensor sum = SumOverRanks::apply(local, &communicator_);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  ++messages_;
  return sum;
}

}  // namespace muster::trainer
