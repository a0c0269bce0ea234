#include "models/layers/batch_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

#include "common/error.h"
#include "models/layers/autocast.h"

namespace muster::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr double kMomentum = 0.1;

// (values - mean) / sqrt(variance + epsilon) * weight + bias, in one native pass.
at::Tensor normalised(const at::Tensor& values, const at::Tensor& weight, const at::Tensor& bias,
                      const at::Tensor& mean, const at::Tensor& variance, double epsilon) {
  if (values.size(0) == 0) return at::empty_like(values);
  return std::get<0>(
      at::native_batch_norm(values, weight, bias, mean, variance, /*training=*/false, 0, epsilon));
}

// Normalisation by statistics that depend on the values themselves on every rank.
struct SharedNormalisation : torch::autograd::Function<SharedNormalisation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& values,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& variance, double epsilon,
                            double count, int64_t exchange) {
    context->save_for_backward({values, weight, mean, variance});
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["count"] = count;
    context->saved_data["exchange"] = exchange;
    return normalised(values, weight, bias, mean, variance, epsilon);
  }
  // With x normalised, s = weight / deviation and means over the batch:
  //   s (gradient - mean(gradient) - x mean(gradient x))
  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &values = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double epsilon = context->saved_data["epsilon"].toDouble();
    auto* exchange = reinterpret_cast<StatisticsExchange*>(context->saved_data["exchange"].toInt());
    at::Tensor of_values = at::empty_like(values), of_weight = at::zeros_like(weight),
               of_bias = at::zeros_like(weight);
    if (values.size(0) > 0) {
      // As if the statistics were constants.
      std::tie(of_values, of_weight, of_bias) =
          at::native_batch_norm_backward(gradients[0].contiguous(), values, weight, mean, variance,
                                         {}, {}, /*train=*/false, epsilon, {true, true, true});
    }
    const at::Tensor means =
        exchange->sum(at::stack({of_bias, of_weight})) / context->saved_data["count"].toDouble();
    const at::Tensor scale = weight * at::rsqrt(variance + epsilon);
    of_values.sub_(normalised(values, scale * means[1], scale * means[0], mean, variance, epsilon));
    const at::Tensor none;
    return {of_values, of_weight, of_bias, none, none, none, none, none};
  }
};

}  // namespace

BatchNorm::BatchNorm(int64_t channels, double epsilon)
    : weight_(register_parameter("weight", at::ones({channels}))),
      bias_(register_parameter("bias", at::zeros({channels}))),
      running_mean_(register_buffer("running_mean", at::zeros({channels}))),
      running_variance_(register_buffer("running_var", at::ones({channels}))),
      epsilon_(epsilon) {}

at::Tensor BatchNorm::forward(const at::Tensor& maps, const ForwardContext& context) {
  MUSTER_REQUIRE(maps.size(1), ==, weight_.size(0));
  const FullPrecision sums_of_many;
  const bool alone = context.statistics == nullptr || context.statistics->alone();
  // On a GPU torch's own kernel reads small types and sums in float32.
  const bool as_it_is = maps.is_cuda() && (alone || !context.training);
  const at::Tensor values = as_it_is ? maps : in_full_precision(maps);
  const int64_t per_channel = values.numel() / std::max<int64_t>(1, values.size(1));
  if (context.training && alone && per_channel == 1) {
    // No spread to estimate: torch's kernel would leave running variances that are not numbers.
    running_mean_.mul_(1 - kMomentum).add_(values.detach().reshape({values.size(1)}), kMomentum);
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
    at::Tensor own_mean = at::zeros_like(weight_), own_variance = at::zeros_like(weight_);
    if (own > 0) {
      std::tie(own_mean, own_variance) =
          at::batch_norm_update_stats(values, /*running_mean=*/{}, /*running_var=*/{}, 0);
    }
    const at::Tensor sums =
        context.statistics->sum(at::cat({own_mean * own, at::full({1}, own, values.options())}));
    count = sums[-1].item<double>();
    MUSTER_REQUIRE(count, >, 0);
    mean = sums.narrow(0, 0, values.size(1)) / count;
    variance = context.statistics->sum((own_variance + (own_mean - mean).square()) * own) / count;
    running_mean_.mul_(1 - kMomentum).add_(mean, kMomentum);
    if (count > 1) {
      running_variance_.mul_(1 - kMomentum).add_(variance, kMomentum * count / (count - 1));
    }
  }
  return SharedNormalisation::apply(values, weight_, bias_, mean, variance, epsilon_, count,
                                    reinterpret_cast<int64_t>(context.statistics));
}

}  // namespace muster::models
