#include "models/layers/convolution.h"

#include <algorithm>
#include <cmath>

namespace muster::models {

ConvolutionSize square(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  return {in, out, kernel, kernel, stride, padding, padding};
}

torch::nn::Conv2d convolution(const ConvolutionSize& size, bool bias) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(size.in, size.out, {size.height, size.width})
                               .stride(size.stride)
                               .padding(torch::ExpandingArray<2>({size.pad_height, size.pad_width}))
                               .bias(bias));
}

ConvolutionUnit::ConvolutionUnit(const ConvolutionSize& size, double epsilon)
    : conv_(register_module("conv", convolution(size, false))),
      bn_(register_module("bn", std::make_shared<BatchNorm>(size.out, epsilon))) {}

at::Tensor ConvolutionUnit::forward(const at::Tensor& maps, const ForwardContext& context) {
  return bn_->forward(conv_(maps), context).relu_();
}

int64_t scaled_channels(int64_t channels, double width) {
  return std::max<int64_t>(1, std::llround(width * static_cast<double>(channels)));
}

}  // namespace muster::models
