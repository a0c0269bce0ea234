// A further classifier of frames on the backbone's maps, as GoogLeNet and P-QAN have them. STAL's
// paper has none.
#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>

#include "models/layers/convolution.h"

namespace muster::models {

// Mean pool 5/3 (of maps below 5x5 the mean), 1x1 convolution to 128 channels with batch norm and
// ReLU, a full layer of 1024 with ReLU, the classes. Parameters conv.conv, conv.bn, fc, classifier.
class AuxiliaryHead : public torch::nn::Module {
 public:
  // Of maps [images, in, side, side]; `width` scales 128 and 1024.
  AuxiliaryHead(int64_t in, int64_t side, double width, int64_t identities);
  // -> [images, identities]
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context);

 private:
  std::shared_ptr<ConvolutionUnit> conv_;
  torch::nn::Linear fc_{nullptr}, classifier_{nullptr};
};

}  // namespace muster::models
