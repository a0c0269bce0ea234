#include <ATen/ATen.h>

#include "benchmarks/models/timed_case.h"
#include "models/tam_srm/spatial_recurrence.h"

namespace muster::benchmarks {

// "first" and "second", maps [pairs, frames, channels, height, width] -> "logits" [pairs, 2].
TimedCase srm_case(const TensorsByName& weights, const TensorsByName& inputs) {
  const at::Tensor& example = inputs.at("first");
  models::SpatialRecurrenceSize size;
  size.frames = example.size(1);
  size.in = example.size(2);
  size.height = example.size(3);
  size.width = example.size(4);
  size.channels = weights.at("difference.weight").size(0);
  size.hidden = weights.at("hidden.weight").size(0);
  const auto block = std::make_shared<models::SpatialRecurrence>(size);
  TimedCase result;
  for (const auto& item : block->named_parameters()) {
    result.weights.emplace_back(item.key(), item.value());
  }
  result.forward = [block](const TensorsByName& given, const models::ForwardContext& context) {
    // Each clip is in one pair: what is linear comes behind the difference.
    const at::Tensor reduced =
        block->reduced((given.at("first") - given.at("second")).flatten(0, 1));
    const at::Tensor nothing = at::zeros({1}, reduced.options()).expand_as(reduced);
    return TensorsByName{{"logits", block->logits(reduced, nothing, context)}};
  };
  return result;
}

}  // namespace muster::benchmarks
