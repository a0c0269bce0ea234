#include "models/pose_network/network.h"

#include <ATen/ATen.h>

#include "models/frame_portions.h"
#include "models/initialisation.h"

namespace muster::models {
namespace {

constexpr double kPoseEpsilon = 1e-5;

torch::nn::ConvTranspose2d doubling_convolution(int64_t in, int64_t out) {
  return torch::nn::ConvTranspose2d(
      torch::nn::ConvTranspose2dOptions(in, out, 4).stride(2).padding(1).bias(false));
}

}  // namespace

DeconvolutionUnit::DeconvolutionUnit(int64_t in, int64_t out)
    : conv_(register_module("conv", doubling_convolution(in, out))),
      bn_(register_module("bn", std::make_shared<BatchNorm>(out, kPoseEpsilon))) {}

at::Tensor DeconvolutionUnit::forward(const at::Tensor& maps, const ForwardContext& context) {
  return bn_->forward(conv_(maps), context).relu_();
}

PoseNet::PoseNet(const proto::PoseNetwork& options)
    : backbone_(register_module("backbone", std::make_shared<BnInceptionLow>(options.width()))),
      deconvolution1_(register_module(
          "deconvolution1", std::make_shared<DeconvolutionUnit>(backbone_->low_channels(),
                                                                options.deconvolution_channels()))),
      deconvolution2_(register_module(
          "deconvolution2", std::make_shared<DeconvolutionUnit>(options.deconvolution_channels(),
                                                                options.deconvolution_channels()))),
      heat_maps_(register_module(
          "heat_maps",
          convolution(square(options.deconvolution_channels(), kPoseJoints, 1), true))) {}

at::Tensor PoseNet::forward(const at::Tensor& images, const ForwardContext& context) {
  return in_portions(images, context, [&](const at::Tensor& some) {
    const at::Tensor coarse =
        deconvolution1_->forward(backbone_->forward_low(some, context), context);
    return heat_maps_(deconvolution2_->forward(coarse, context));
  });
}

void PoseNet::reset(uint64_t seed) {
  constexpr double kDeconvolutionDeviation = 0.01, kLastDeviation = 0.001;
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const at::Tensor& value = item.value();
    if (name == "heat_maps.weight") {
      gaussian_(value, kLastDeviation, seed, name);
    } else if (value.dim() == 4 && name.find("deconvolution") == 0) {
      gaussian_(value, kDeconvolutionDeviation, seed, name);
    } else if (value.dim() == 4) {
      kaiming_normal_(value, /*fan_out=*/false, seed, name);
    } else if (name.find(".bn.weight") != std::string::npos) {
      value.detach().fill_(1);
    } else {
      value.detach().zero_();
    }
  }
}

}  // namespace muster::models
