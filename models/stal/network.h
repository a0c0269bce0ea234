// STAL's layers (Song et al. 2018, Figure 2). Sizes in comments are for 224 pixels and width 1.
#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>
#include <vector>

#include "models/stal/auxiliary_head.h"
#include "models/stal/quality_attention.h"
#include "models/stal/residual_attention.h"
#include "models/stal/trunk.h"

namespace muster::models {

// Modules backbone; of the global branch ran, global_embedding, classifier, auxiliary_early,
// auxiliary_late; of the part branch attention, part1 to part6 with trunk, fc and classifier each.
// What the options leave out is not there.
class StalNetwork : public torch::nn::Module {
 public:
  StalNetwork(const proto::Stal& options, int64_t identities);
  // input.clips [clips, frames, 3, 224, 224]; parts are input.boxes, or else what options.boxes
  // says. Signature, as far as the branches are there:
  //   "global"     [clips, 1024] g, the mean over frames
  //   "parts"      [clips, 6, 1024] f^r, attended over frames (equation 9)
  //   "parts_mean" [clips, 6, 1024] plain means over frames, for scoring without attention
  //   "attention"  [clips, 6] abar^r, the mean over frames of the normalised scores
  // Logits: "identity" [clips, identities] of g, "parts" [clips, frames, 6, identities] of f^{r,t},
  // "auxiliary_early" and "auxiliary_late" [clips, frames, identities] with auxiliary_heads.
  ModelOutput forward(const ModelInput& input, const ForwardContext& context);
  // Xavier, biases 0; every part's trunk starts as a copy of the backbone's blocks, all frames and
  // parts as worth the same.
  void reset(uint64_t seed);

 private:
  struct Part {
    StalPartTrunk trunk;
    torch::nn::Linear fc{nullptr}, classifier{nullptr};  // classifier: empty without identities
  };
  void add_global_branch(int64_t identities);
  void add_part_branch(int64_t identities);
  // What is of every frame by itself, [images, ...] each; undefined or empty without the branch.
  struct FrameValues {
    at::Tensor global;              // the global branch's descriptors
    at::Tensor scores;              // [images, 6] of the parts
    at::Tensor early, late;         // [images, identities] of the auxiliary heads
    std::vector<at::Tensor> parts;  // f^{r,t} of every part
  };
  // Of pictures [images, 3, 224, 224] and parts [images, 6, 4].
  FrameValues frame_values(const at::Tensor& images, const at::Tensor& boxes,
                           const ForwardContext& context);
  void add_auxiliary_heads(int64_t identities);
  // Descriptors and auxiliary scores, of the maps of 4b and 3c.
  void look_at_whole(const at::Tensor& low, const at::Tensor& after_3c,
                     const ForwardContext& context, FrameValues& values);
  // Both add to signature and logits.
  void conclude_global(const FrameValues& values, int64_t clips, int64_t frames,
                       ModelOutput& output);
  void conclude_parts(const FrameValues& values, int64_t clips, int64_t frames,
                      ModelOutput& output);
  // [clips, frames, 6, 4] in input pixels.
  at::Tensor part_boxes(const ModelInput& input) const;
  // f^{r,t} [images, 1024] of the maps of one part.
  at::Tensor part_feature(Part& part, const at::Tensor& maps, const ForwardContext& context);

  const proto::Stal options_;
  StalTrunk trunk_;
  std::shared_ptr<ResidualAttention> ran_;
  torch::nn::Linear global_embedding_{nullptr}, classifier_{nullptr};
  std::shared_ptr<AuxiliaryHead> early_head_, late_head_;
  std::shared_ptr<QualityAttention> attention_;
  std::vector<Part> parts_;
};

}  // namespace muster::models
