// A network or a block as the model benchmark runs it: fed with the tensors of one file, weighted
// with those of another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"

namespace muster::benchmarks {

using TensorsByName = std::map<std::string, at::Tensor>;

struct TimedCase {
  models::NamedTensors weights;  // parameters, which have gradients, and buffers
  // `inputs` by the names that the case knows; outputs by names.
  std::function<TensorsByName(const TensorsByName& inputs, const models::ForwardContext& context)>
      forward;
};

// A block by itself; its sizes are those of `weights` and `inputs`.
struct BlockEntry {
  std::string name;
  TimedCase (*create)(const TensorsByName& weights, const TensorsByName& inputs);
};

// A new block is a source in blocks/, a line here and in CMakeLists.txt.
TimedCase rru_case(const TensorsByName& weights, const TensorsByName& inputs);
TimedCase residual_recurrence_case(const TensorsByName& weights, const TensorsByName& inputs);
TimedCase tam_case(const TensorsByName& weights, const TensorsByName& inputs);
TimedCase srm_case(const TensorsByName& weights, const TensorsByName& inputs);

inline std::vector<BlockEntry> block_cases() {
  return {{"rru", &rru_case},
          {"residual_recurrence", &residual_recurrence_case},
          {"tam", &tam_case},
          {"srm", &srm_case}};
}

}  // namespace muster::benchmarks
