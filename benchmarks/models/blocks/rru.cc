#include <ATen/ATen.h>

#include "benchmarks/models/timed_case.h"
#include "models/rru_stim/refinement.h"

namespace muster::benchmarks {

// "maps" [clips, frames, channels, height, width], as the backbone leaves them -> "refined"
// [frames, clips, places, channels], as STIM takes them.
TimedCase rru_case(const TensorsByName& weights, const TensorsByName& inputs) {
  const at::Tensor& example = inputs.at("maps");
  const models::RefinementSize size{example.size(2), weights.at("transition").size(0),
                                    example.size(3), example.size(4)};
  const auto block = std::make_shared<models::Refinement>(size, proto::RruStim::FULL_GATE);
  TimedCase result;
  for (const auto& item : block->named_parameters()) {
    result.weights.emplace_back(item.key(), item.value());
  }
  for (const auto& item : block->named_buffers()) {
    result.weights.emplace_back(item.key(), item.value());
  }
  result.forward = [block](const TensorsByName& given, const models::ForwardContext& context) {
    const at::Tensor maps = given.at("maps").flatten(3).permute({1, 0, 3, 2}).contiguous();
    return TensorsByName{{"refined", block->forward(maps, context)}};
  };
  return result;
}

}  // namespace muster::benchmarks
