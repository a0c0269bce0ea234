#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include "benchmarks/models/timed_case.h"
#include "models/layers/tanh_recurrence.h"

namespace muster::benchmarks {

// STSRN's ResRNN (equations 5 to 7) with its dropout: "frames" [clips, frames, features] ->
// "outputs" of the same shape.
TimedCase residual_recurrence_case(const TensorsByName& weights, const TensorsByName& inputs) {
  constexpr double kDropout = 0.6;
  const int64_t size = weights.at("hidden_to_hidden.weight").size(0);
  const torch::nn::Linear input_to_hidden(size, size), hidden_to_hidden(size, size);
  TimedCase result;
  for (const auto& item : input_to_hidden->named_parameters()) {
    result.weights.emplace_back("input_to_hidden." + item.key(), item.value());
  }
  for (const auto& item : hidden_to_hidden->named_parameters()) {
    result.weights.emplace_back("hidden_to_hidden." + item.key(), item.value());
  }
  result.forward = [=](const TensorsByName& given, const models::ForwardContext& context) {
    const at::Tensor& frames = given.at("frames");
    const at::Tensor drive = (at::linear(frames, input_to_hidden->weight, input_to_hidden->bias) +
                              hidden_to_hidden->bias + frames) /
                             2;
    const at::Tensor masks = models::recurrent_masks(drive, kDropout, context);
    return TensorsByName{
        {"outputs", models::tanh_recurrence(drive, hidden_to_hidden->weight, 0.5, masks)}};
  };
  return result;
}

}  // namespace muster::benchmarks
