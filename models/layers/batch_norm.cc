#include "models/layers/batch_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "common/error.h"

namespace muster::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr double kMomentum = 0.1;

// [channels] along axis 1 of something like `values`.
at::Tensor along_channels(const at::Tensor& channels, const at::Tensor& values) {
  std::vector<int64_t> shape(static_cast<size_t>(values.dim()), 1);
  shape[1] = channels.size(0);
  return channels.view(shape);
}

at::Tensor sum_of_channels(const at::Tensor& values) {
  return values.transpose(0, 1).flatten(1).sum(1);
}

// Normalisation by statistics that depend on the values themselves on every rank.
struct SharedNormalisation : torch::autograd::Function<SharedNormalisation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& values,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& inverse_deviation,
                            double count, int64_t exchange) {
    const at::Tensor normal =
        (values - along_channels(mean, values)) * along_channels(inverse_deviation, values);
    context->save_for_backward({normal, weight, inverse_deviation});
    context->saved_data["count"] = count;
    context->saved_data["exchange"] = exchange;
    return normal * along_channels(weight, values) + along_channels(bias, values);
  }
  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &normal = saved[0], &weight = saved[1], &inverse_deviation = saved[2];
    const at::Tensor& gradient = gradients[0];
    auto* exchange = reinterpret_cast<StatisticsExchange*>(context->saved_data["exchange"].toInt());
    const at::Tensor own =
        at::stack({sum_of_channels(gradient), sum_of_channels(gradient * normal)});
    const at::Tensor all = exchange->sum(own) / context->saved_data["count"].toDouble();
    const at::Tensor centred =
        gradient - along_channels(all[0], normal) - normal * along_channels(all[1], normal);
    return {centred * along_channels(weight * inverse_deviation, normal),
            own[1],
            own[0],
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

BatchNorm::BatchNorm(int64_t channels, double epsilon)
    : weight_(register_parameter("weight", at::ones({channels}))),
      bias_(register_parameter("bias", at::zeros({channels}))),
      running_mean_(register_buffer("running_mean", at::zeros({channels}))),
      running_variance_(register_buffer("running_var", at::ones({channels}))),
      epsilon_(epsilon) {}

at::Tensor BatchNorm::forward(const at::Tensor& values, const ForwardContext& context) {
  MUSTER_REQUIRE(values.size(1), ==, weight_.size(0));
  const bool alone = context.statistics == nullptr || context.statistics->alone();
  const int64_t per_channel = values.numel() / std::max<int64_t>(1, values.size(1));
  if (context.training && alone && per_channel == 1) {
    // No spread to estimate: torch's kernel would leave running variances that are not numbers.
    const at::NoGradGuard constants;
    running_mean_.mul_(1 - kMomentum).add_(values.reshape({values.size(1)}), kMomentum);
    return at::batch_norm(values, weight_, bias_, {}, {}, true, kMomentum, epsilon_, true);
  }
  if (!context.training || (alone && values.size(0) > 0)) {
    return at::batch_norm(values, weight_, bias_, running_mean_, running_variance_,
                          context.training, kMomentum, epsilon_, /*cudnn_enabled=*/true);
  }
  MUSTER_REQUIRE(context.statistics, !=, nullptr);
  // Two sums, one after the other: the square of the mean taken from the mean of the squares loses
  // too much.
  at::Tensor mean, variance;
  double count = 0;
  {
    const at::NoGradGuard constants;
    const double own = static_cast<double>(values.numel()) / static_cast<double>(values.size(1));
    const at::Tensor sums = context.statistics->sum(
        at::cat({sum_of_channels(values), at::full({1}, own, values.options())}));
    count = sums[-1].item<double>();
    MUSTER_REQUIRE(count, >, 0);
    mean = sums.narrow(0, 0, values.size(1)) / count;
    const at::Tensor centred = values - along_channels(mean, values);
    variance = context.statistics->sum(sum_of_channels(centred * centred)) / count;
    running_mean_.mul_(1 - kMomentum).add_(mean, kMomentum);
    if (count > 1) {
      running_variance_.mul_(1 - kMomentum).add_(variance, kMomentum * count / (count - 1));
    }
  }
  return SharedNormalisation::apply(values, weight_, bias_, mean, at::rsqrt(variance + epsilon_),
                                    count, reinterpret_cast<int64_t>(context.statistics));
}

}  // namespace muster::models
