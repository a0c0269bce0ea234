// What every network of muster is: clips in, a signature out, and a distance between signatures.
// Networks know neither ranks nor MPI: whatever must be exact over the global batch goes through
// the context.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
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
  // True where this rank is the only one: its own statistics are those of the batch.
  virtual bool alone() const = 0;
};

// Of a process by itself.
class OwnStatistics : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local; }
  bool alone() const override { return true; }
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

// What HeatMapLoss compares heat-maps with; made by networks that learn joints.
struct JointTargets {
  at::Tensor joints;        // [clips, frames, 14, 3] x, y in pixels of the heat-maps, confidence
  double deviation = 0;     // of the Gaussian around a joint, pixels of the heat-maps
  double input_pixels = 1;  // of the input's side for one of the heat-maps'
};

struct ModelOutput {
  Signature signature;
  // Class scores by the name of their head, [clips, ..., identities]: what lies between counts as
  // clips of the same label. "identity" is the network's own; empty without a classifier.
  std::map<std::string, at::Tensor> logits;
  // Of a network that learns joints, where its input has them.
  JointTargets targets;
};

enum class InputColour { kYuv, kRgb, kBgr };
enum class InputInterpolation { kArea, kBilinear, kBicubic };

// What a network wants to be fed; the loader's recipe is made from it.
struct InputFormat {
  int resize_height, resize_width, crop_height, crop_width;  // pixels
  bool flow;
  InputColour colour = InputColour::kYuv;
  InputInterpolation interpolation = InputInterpolation::kArea;
  // Colours from 0 to 1 minus `mean` by `deviation`; without, each channel of each frame is
  // normalised by itself.
  bool fixed_normalisation = false;
  std::array<float, 3> mean{0, 0, 0}, deviation{1, 1, 1};
  // Quirks of a published preprocessing.
  bool divide_by_root_of_deviation = false, vertical_flow_first = false;
  bool joints = false;
  // It takes boxes of body parts in place of those that it would make (of joints, if it looks at
  // joints).
  bool boxes = false;
  // Joints are what it learns: wanted in training alone.
  bool learns_joints = false;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// One thread at a time, except that forward() without training may run in several.
class Model {
 public:
  virtual ~Model() = default;
  virtual InputFormat input_format() const = 0;
  // Any number of clips, zero included.
  virtual ModelOutput forward(const ModelInput& input, const ForwardContext& context) = 0;
  // [queries, gallery] between two signatures (first axes queries, gallery; a second axis
  // "variants" where tracklets were extracted in several ways); smaller is more alike.
  virtual at::Tensor distance(const Signature& queries, const Signature& gallery) const = 0;
  // [tracklets, features], variants averaged: the vectors between which distance() is Euclidean.
  // Undefined where it is no such distance.
  virtual at::Tensor representation(const Signature& /*signature*/) const { return {}; }
  // Whether distance() must see the whole gallery in one call: what it says of one candidate
  // depends on the others.
  virtual bool wants_whole_gallery() const { return false; }
  // Whether distance() may read this tensor of the signature, under any settings of scoring;
  // feature files leave out the others (those that only losses read).
  virtual bool scores(const std::string& /*tensor*/) const { return true; }
  // In a fixed order; the tensors are the model's own (assigning into them changes it).
  virtual NamedTensors parameters() const = 0;
  // What training changes without gradients, as running statistics; saved with the parameters.
  virtual NamedTensors buffers() const = 0;
  // Converts every parameter and buffer in place.
  virtual void to(at::ScalarType type) = 0;
  // Moves every parameter and buffer; the tensors stay the same objects.
  virtual void to(at::Device device) = 0;
};

// A model that also judges pairs (SRM). Its distance() uses pair_logits too.
class PairModel : public Model {
 public:
  // False where its settings leave out what judges.
  virtual bool judges_pairs() const { return true; }
  // [pairs, 2]: scores of "two persons" and "one person" for row i of `first` with row i of
  // `second`. Not symmetric.
  virtual at::Tensor pair_logits(const Signature& first, const Signature& second,
                                 const ForwardContext& context) = 0;
};

// Parameters and buffers: what a weight file holds.
inline NamedTensors weights_of(const Model& model) {
  NamedTensors weights = model.parameters();
  const NamedTensors buffers = model.buffers();
  weights.insert(weights.end(), buffers.begin(), buffers.end());
  return weights;
}

}  // namespace muster::models
