// What every network of muster is: clips in, a signature out, and a distance between signatures.
// Networks know neither ranks nor MPI: whatever must be exact over the global batch goes through
// the context.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::models {

// Batch statistics over all ranks. Implemented by trainer.
class StatisticsExchange {
 public:
  virtual ~StatisticsExchange() = default;
  // Sum of `local` over the ranks, differentiable. Collective: every rank calls it in the same
  // order with the same shape, also a rank without clips (with zeros).
  virtual at::Tensor sum(const at::Tensor& local) = 0;
};

// Undefined tensors stand for what was not asked for or is not there.
struct ModelInput {
  at::Tensor clips;   // [clips, frames, channels, height, width] colour
  at::Tensor flow;    // [clips, frames, 2, height, width] horizontal, vertical
  at::Tensor joints;  // [clips, frames, 14, 3] x, y in input pixels, confidence
  at::Tensor boxes;   // [clips, frames, parts, 4] x0, y0, x1, y1 in input pixels
};

struct ForwardContext {
  bool training = false;
  // One per clip; the only source of chance inside a network. Empty when not training.
  std::vector<uint64_t> clip_keys;
  StatisticsExchange* statistics = nullptr;  // not owned, never null
};

// What a model says of clips: tensors by name, first axis clips.
using Signature = std::map<std::string, at::Tensor>;

struct ModelOutput {
  Signature signature;
  at::Tensor identity_logits;  // [clips, identities]; undefined without a classifier
};

// What a network wants to be fed; the loader's recipe is made from it.
struct InputFormat {
  int resize_height, resize_width, crop_height, crop_width;  // pixels
  bool flow;
  // Quirks of a published preprocessing.
  bool divide_by_root_of_deviation = false, vertical_flow_first = false;
  bool joints = false;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// One thread at a time, except that forward() without training may run in several.
class Model {
 public:
  virtual ~Model() = default;
  virtual InputFormat input_format() const = 0;
  // Any number of clips, zero included.
  virtual ModelOutput forward(const ModelInput& input, const ForwardContext& context) = 0;
  // [queries, gallery] between two signatures (first axes queries, gallery); smaller is more alike.
  virtual at::Tensor distance(const Signature& queries, const Signature& gallery) const = 0;
  // In a fixed order; the tensors are the model's own (assigning into them changes it).
  virtual NamedTensors parameters() const = 0;
  // Converts every parameter in place.
  virtual void to(at::ScalarType type) = 0;
};

}  // namespace muster::models
