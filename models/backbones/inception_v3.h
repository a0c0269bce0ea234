// Inception-v3 (Szegedy et al. 2016) as torchvision lays it out and names its weights: the trunk up
// to Mixed_7c, and the auxiliary classifier on Mixed_6e.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <vector>

#include "models/layers/convolution.h"

namespace muster::models {

// One Mixed block; which, is the derived class's matter (inception_v3.cc).
class InceptionV3Block : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) = 0;
};

struct InceptionV3Maps {
  at::Tensor middle;  // Mixed_6e: [images, 768, 17, 17] of inputs of 299
  at::Tensor last;    // Mixed_7c: [images, 2048, 8, 8]
};

class InceptionV3 : public torch::nn::Module {
 public:
  static constexpr int64_t kSmallestInput = 75;  // pixels of a side

  // `width` scales the channels of every layer; `classes` 0 builds no auxiliary classifier.
  InceptionV3(double width, int64_t classes);

  // Of `images` [images, 3, height, width], any number.
  InceptionV3Maps forward(const at::Tensor& images, const ForwardContext& context);

  // [rows, classes] of Mixed_6e maps or their means over frames. Maps smaller than 17 on a side are
  // averaged adaptively to 5x5, where torchvision's classifier fails. Collective in training, as
  // all batch norms are.
  at::Tensor auxiliary_logits(const at::Tensor& middle, const ForwardContext& context);

  // Channels of Mixed_7c.
  int64_t channels() const { return channels_; }
  // Places along a side of Mixed_7c for inputs of `input` pixels.
  static int64_t map_size(int64_t input);

 private:
  int64_t channels_;
  std::shared_ptr<ConvolutionUnit> stem1_, stem2_, stem3_, stem4_, stem5_;
  std::vector<std::shared_ptr<InceptionV3Block>> until_middle_, after_middle_;
  std::shared_ptr<torch::nn::Module> auxiliary_;
  std::shared_ptr<ConvolutionUnit> auxiliary_reduction_, auxiliary_convolution_;
  torch::nn::Linear auxiliary_classifier_{nullptr};
};

}  // namespace muster::models
