// STAN, the spatial-temporal attention network of STAL (Song et al. 2018, section III.C): how much
// each body part of each frame is worth.
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

namespace muster::models {

// Of the pictures themselves: conv 7x7/2, maxpool 3x3/2 (ceil), two convs 3x3, maxpool 7x7/7 (of
// 224 pixels: 112, 56, 56, 56, 8), a layer with a score for every part, sigmoid; all with biases,
// nothing between them. The paper gives the kinds of layers, P-QAN (its ancestor) widths and
// strides.
class QualityAttention : public torch::nn::Module {
 public:
  // For pictures of input_size x input_size.
  QualityAttention(int64_t channels, int64_t input_size, int64_t parts);
  // [images, 3, input_size, input_size] -> [images, parts] in (0, 1), not yet normalised.
  at::Tensor scores(const at::Tensor& images);
  // The last layer zero, so that all parts and frames are worth the same: with the paper's inputs
  // of
  // +-128, random weights would saturate the sigmoid.
  void reset_to_equal();

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  torch::nn::Linear fc_{nullptr};
};

}  // namespace muster::models
