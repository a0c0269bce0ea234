#include "models/tam_srm/spatial_recurrence.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/keyed_dropout.h"
#include "models/layers/bidirectional_lstm.h"
#include "models/layers/row_product.h"

namespace muster::models {
namespace {

constexpr uint64_t kPairDropout = 3;

// Axes of a volume [pairs, frames, height, width, channels] that are swept, in the order of the
// context layer's inputs: two directions each.
constexpr int64_t kTimeAxis = 1, kVerticalAxis = 2, kHorizontalAxis = 3;

}  // namespace

SpatialRecurrence::SpatialRecurrence(const SpatialRecurrenceSize& size) : size_(size) {
  const int64_t channels = size.channels;
  difference_ = register_module("difference", torch::nn::Linear(size.in, channels));
  if (size.sweeps) {
    const auto both_ways = [&](const std::string& name) {
      return register_module(
          name, torch::nn::LSTM(torch::nn::LSTMOptions(channels, channels).bidirectional(true)));
    };
    time_ = both_ways("time");
    horizontal_ = both_ways("horizontal");
    vertical_ = both_ways("vertical");
    context_ = register_module("context", torch::nn::Linear(6 * channels, channels));
  }
  hidden_ = register_module(
      "hidden", torch::nn::Linear(size.frames * size.height * size.width * channels, size.hidden));
  output_ = register_module("output", torch::nn::Linear(size.hidden, 2));
}

at::Tensor SpatialRecurrence::reduced(const at::Tensor& maps) {
  MUSTER_REQUIRE(maps.dim(), ==, 4);
  MUSTER_REQUIRE(maps.size(1), ==, size_.in);
  const at::Tensor kernels = difference_->weight.unsqueeze(2).unsqueeze(3);
  // Few channels go to the end of their places, not many.
  return at::conv2d(maps, kernels)
      .permute({0, 2, 3, 1})
      .contiguous()
      .view({maps.size(0) / size_.frames, size_.frames, size_.height, size_.width, size_.channels});
}

// The context layer is applied to each axis' two directions by themselves and summed: 64 channels
// go back to their places rather than 384.
at::Tensor SpatialRecurrence::swept(const at::Tensor& volume) {
  const int64_t both = 2 * size_.channels;
  at::Tensor sum;
  int64_t first = 0;
  const auto sweep = [&](torch::nn::LSTM& lstm, int64_t axis) {
    // The swept axis leads, all lines follow as one batch.
    const at::Tensor lines = volume.transpose(0, axis);
    const int64_t count = volume.numel() / lines.size(0) / size_.channels;
    const at::Tensor outputs =
        bidirectional_lstm(lstm, lines.reshape({lines.size(0), count, size_.channels}));
    const at::Tensor share =
        row_product(outputs.flatten(0, 1), context_->weight.narrow(1, first, both), {})
            .view(lines.sizes())
            .transpose(0, axis);
    sum = sum.defined() ? sum + share : share + context_->bias;
    first += both;
  };
  sweep(time_, kTimeAxis);
  sweep(horizontal_, kHorizontalAxis);
  sweep(vertical_, kVerticalAxis);
  return sum.contiguous().relu_();
}

at::Tensor SpatialRecurrence::logits(const at::Tensor& first, const at::Tensor& second,
                                     const ForwardContext& context) {
  MUSTER_REQUIRE(first.dim(), ==, 5);
  MUSTER_REQUIRE((first.sizes() == second.sizes()), ==, true);
  at::Tensor volume = (first - second + difference_->bias).relu_();
  if (time_) volume = swept(volume);
  at::Tensor values = hidden_(volume.flatten(1)).relu_();
  if (context.training) {
    values = keyed_dropout(values, size_.dropout, context.clip_keys, kPairDropout);
  }
  return output_(values);
}

}  // namespace muster::models
