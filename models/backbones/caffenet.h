// CaffeNet, the BVLC reference network (Krizhevsky et al. 2012 with pools before normalisations),
// with the narrow full layers that See the Forest gives it.
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "models/model.h"

namespace muster::models {

struct CaffeNetOptions {
  double width = 1;          // times the channels of all convolutions
  int64_t input_size = 227;  // pixels of a side, at least kSmallestInput
  int64_t features = 1024;   // of fc6 and fc7; 0: the network ends at pool5
  double dropout = 0.5;      // behind fc6 and fc7
};

// conv1 11/4 96 - ReLU - pool - LRN - conv2 5/1/2 256 - ReLU - pool - LRN - conv3 3/1/1 384 - ReLU
// - conv4 384 - ReLU - conv5 256 - ReLU - pool5 - fc6 - ReLU - dropout - fc7 - ReLU - dropout
// Pools are max 3/2 and round up, as Caffe's; conv2, conv4 and conv5 have two groups. Parameters
// are conv1.weight, conv1.bias, ..., fc7.bias, in Caffe's layout. Sizes in comments are for 227
// pixels and width 1.
class CaffeNet : public torch::nn::Module {
 public:
  static constexpr int64_t kSmallestInput = 67;  // pool5 is 1x1

  explicit CaffeNet(const CaffeNetOptions& options);

  // [images, 3, 227, 227] -> [images, 256, 6, 6]; any number of images.
  at::Tensor pool5(const at::Tensor& images);

  // [clips * frames, 256, 6, 6] -> [clips, frames, 1024]. Dropout follows the clips' keys. Must not
  // be called without `features`.
  at::Tensor fc7(const at::Tensor& maps, int64_t frames, const ForwardContext& context);

  int64_t channels() const { return channels_; }  // of pool5: 256
  static int64_t map_channels(double width);      // the same, before there is a network
  // Places along a side of pool5 for inputs of `input` pixels: 6 of 227.
  static int64_t map_size(int64_t input);

 private:
  const CaffeNetOptions options_;
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr}, conv4_{nullptr},
      conv5_{nullptr};
  torch::nn::Linear fc6_{nullptr}, fc7_{nullptr};
  int64_t channels_ = 0;
};

}  // namespace muster::models
