#include <ATen/ATen.h>

#include "benchmarks/models/timed_case.h"
#include "models/tam_srm/temporal_attention.h"

namespace muster::benchmarks {

// "frames" [clips, frames, features] -> "feature" [clips, units].
TimedCase tam_case(const TensorsByName& weights, const TensorsByName& /*inputs*/) {
  models::TemporalAttentionSize size;
  size.features = weights.at("frame.weight").size(1);
  size.attention = weights.at("frame.weight").size(0);
  size.recurrent = weights.at("state.weight").size(1);
  const auto block = std::make_shared<models::TemporalAttention>(size);
  TimedCase result;
  for (const auto& item : block->named_parameters()) {
    result.weights.emplace_back(item.key(), item.value());
  }
  result.forward = [block](const TensorsByName& given, const models::ForwardContext&) {
    return TensorsByName{{"feature", block->forward(given.at("frames"))}};
  };
  return result;
}

}  // namespace muster::benchmarks
