// BN-Inception (Ioffe and Szegedy 2015) with the channels of STAL's Table I: every convolution
// without bias, followed by batch norm (epsilon 1e-5) and ReLU.
#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "models/layers/convolution.h"

namespace muster::models {

// One Inception block, "3a" to "5b". Branches one.*, three.0, three.1 (3x3), double.0 to double.2
// (two 3x3), pool.*, as {conv, bn}.*, their outputs one after the other in this order. Blocks 3c
// and 4e halve the map: no branch `one`, stride 2 in the last 3x3, the 3x3/2 max pool passes
// through.
class BnInceptionBlock : public torch::nn::Module {
 public:
  // `width` scales the channels of every layer and of the block's input.
  BnInceptionBlock(const std::string& name, double width);
  // [images, in, height, width] -> [images, channels(), height, width]; of 3c and 4e half as high
  // and wide (sides must be even). Any number of images.
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context);
  int64_t channels() const { return channels_; }
  // Of the output of block `name`: 576 of 4b, 4c and 4d, 1024 of 4e, 5a and 5b, times width.
  static int64_t channels_of(const std::string& name, double width);

 private:
  using Units = std::vector<std::shared_ptr<ConvolutionUnit>>;
  int64_t channels_ = 0;
  bool halves_ = false, average_ = false;
  std::shared_ptr<ConvolutionUnit> one_, pool_;  // null where there is none
  Units three_, double_;
};

// From the picture to block 4b: parameters conv1, conv2_reduce, conv2, inception3a to inception4b.
class BnInceptionLow : public torch::nn::Module {
 public:
  explicit BnInceptionLow(double width);
  // [images, 3, 224, 224] -> [images, 576, 14, 14]; sides must be multiples of 32.
  // `after_3c`, if given, gets [images, 576, 14, 14].
  at::Tensor forward_low(const at::Tensor& images, const ForwardContext& context,
                         at::Tensor* after_3c = nullptr);
  int64_t low_channels() const { return low_channels_; }  // 576

 private:
  std::shared_ptr<ConvolutionUnit> conv1_, conv2_reduce_, conv2_;
  std::vector<std::shared_ptr<BnInceptionBlock>> blocks_;
  int64_t low_channels_ = 0;
};

// The whole trunk: inception4c to inception5b besides, each usable by itself.
class BnInception : public BnInceptionLow {
 public:
  explicit BnInception(double width);
  // [images, 3, 224, 224] -> [images, 1024, 7, 7]
  at::Tensor forward(const at::Tensor& images, const ForwardContext& context);
  int64_t channels() const { return channels_; }  // 1024

  const std::shared_ptr<BnInceptionBlock> inception4c, inception4d, inception4e, inception5a,
      inception5b;

 private:
  int64_t channels_ = 0;
};

}  // namespace muster::models
