// STAL's layers (Song et al. 2018, Figure 2). Sizes in comments are for 224 pixels and width 1.
#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>
#include <vector>

#include "models/stal/quality_attention.h"
#include "models/stal/residual_attention.h"
#include "models/stal/trunk.h"

namespace muster::models {

// Modules backbone; of the global branch ran, global_embedding, classifier; of the part branch
// attention, part1 to part6 with trunk, fc and classifier each. What the options leave out is not
// there.
class StalNetwork : public torch::nn::Module {
 public:
  StalNetwork(const proto::Stal& options, int64_t identities);
  // input.clips [clips, frames, 3, 224, 224]; parts are input.boxes, or else what options.boxes
  // says. Signature, as far as the branches are there:
  //   "global"     [clips, 1024] g, the mean over frames
  //   "parts"      [clips, 6, 1024] f^r, attended over frames (equation 9)
  //   "parts_mean" [clips, 6, 1024] plain means over frames, for scoring without attention
  //   "attention"  [clips, 6] abar^r, the mean over frames of the normalised scores
  // Logits: "identity" [clips, identities] of g, "parts" [clips, frames, 6, identities] of f^{r,t}.
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
  // Both add to signature and logits, of the low-level maps of all frames.
  void conclude_global(const at::Tensor& low, int64_t clips, const ForwardContext& context,
                       ModelOutput& output);
  void conclude_parts(const at::Tensor& low, const ModelInput& input, const ForwardContext& context,
                      ModelOutput& output);
  // [6, images, 4] on the low-level maps.
  at::Tensor part_places(const at::Tensor& low, const ModelInput& input) const;
  // f^{r,t} [images, 1024] of the maps of one part.
  at::Tensor part_feature(Part& part, const at::Tensor& maps, const ForwardContext& context);

  const proto::Stal options_;
  StalTrunk trunk_;
  std::shared_ptr<ResidualAttention> ran_;
  torch::nn::Linear global_embedding_{nullptr}, classifier_{nullptr};
  std::shared_ptr<QualityAttention> attention_;
  std::vector<Part> parts_;
};

}  // namespace muster::models
