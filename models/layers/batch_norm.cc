#include "models/layers/batch_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

#include "common/error.h"
#include "models/layers/autocast.h"
#include "models/layers/batch_norm_gradient.h"

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

struct SharedStatistics {
  at::Tensor mean, variance;  // biased
  double count = 0;           // values of a channel, over all ranks
};

// One message for all three sums. The square of the mean taken from the mean of the squares loses
// digits where the mean is large beside the deviation: values are counted from `origin`, which is
// near the mean and the same on every rank, and the sums are in float64.
SharedStatistics shared_statistics(const at::Tensor& values, const at::Tensor& origin,
                                   StatisticsExchange& exchange) {
  const at::NoGradGuard constants;
  const int64_t channels = values.size(1);
  const double own = static_cast<double>(values.numel()) / static_cast<double>(channels);
  at::Tensor sums = at::zeros({2 * channels + 1}, values.options().dtype(at::kDouble));
  if (own > 0) {
    const auto [mean, variance] = at::batch_norm_update_stats(values, {}, {}, 0);
    const at::Tensor offset = mean.to(at::kDouble) - origin;
    sums.narrow(0, 0, channels).add_(offset, own);
    sums.narrow(0, channels, channels).add_(variance.to(at::kDouble) + offset.square(), own);
    sums[-1].fill_(own);
  }
  sums = exchange.sum(sums);
  SharedStatistics result;
  result.count = sums[-1].item<double>();
  MUSTER_REQUIRE(result.count, >, 0);
  const at::Tensor offset = sums.narrow(0, 0, channels) / result.count;
  const at::Tensor square = sums.narrow(0, channels, channels) / result.count;
  result.mean = (offset + origin).to(values.scalar_type());
  result.variance = (square - offset.square()).clamp_min(0).to(values.scalar_type());
  return result;
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
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor of_weight = at::zeros_like(weight), of_bias = at::zeros_like(weight);
    if (values.size(0) > 0) {
      // Of weight and bias the statistics are constants.
      std::tie(std::ignore, of_weight, of_bias) =
          at::native_batch_norm_backward(gradient, values, weight, mean, variance, {}, {},
                                         /*train=*/false, epsilon, {false, true, true});
    }
    const at::Tensor means =
        exchange->sum(at::stack({of_bias, of_weight})) / context->saved_data["count"].toDouble();
    const at::Tensor by_deviation = at::rsqrt(variance + epsilon);
    const at::Tensor of_values = batch_norm_gradient(gradient, values, weight * by_deviation,
                                                     means[0], means[1] * by_deviation, mean);
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
  const SharedStatistics of_all = shared_statistics(values, running_mean_, *context.statistics);
  {
    const at::NoGradGuard constants;
    running_mean_.mul_(1 - kMomentum).add_(of_all.mean, kMomentum);
    if (of_all.count > 1) {
      running_variance_.mul_(1 - kMomentum)
          .add_(of_all.variance, kMomentum * of_all.count / (of_all.count - 1));
    }
  }
  return SharedNormalisation::apply(values, weight_, bias_, of_all.mean, of_all.variance, epsilon_,
                                    of_all.count, reinterpret_cast<int64_t>(context.statistics));
}

}  // namespace muster::models
