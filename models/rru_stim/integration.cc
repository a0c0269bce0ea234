#include "models/rru_stim/integration.h"

#include <ATen/ATen.h>

#include "models/keyed_dropout.h"

namespace muster::models {
namespace {

constexpr double kStimNormEpsilon = 1e-5;
constexpr uint64_t kDropoutInClassifier = 1;

}  // namespace

SpatialTemporalIntegration::SpatialTemporalIntegration(int64_t channels, int64_t features)
    : conv1_(register_module(
          "conv1", torch::nn::Linear(torch::nn::LinearOptions(channels, features).bias(false)))),
      bn1_(register_module("bn1", std::make_shared<BatchNorm>(features, kStimNormEpsilon))),
      conv2_(register_module(
          "conv2", torch::nn::Conv3d(
                       torch::nn::Conv3dOptions(features, features, 3).padding(1).bias(false)))),
      bn2_(register_module("bn2", std::make_shared<BatchNorm>(features, kStimNormEpsilon))) {}

at::Tensor SpatialTemporalIntegration::forward(const at::Tensor& maps,
                                               const ForwardContext& context) {
  // Frames count as rows for the batch norm, as places do. The channels lie last in memory; a
  // convolution is quicker than the product of matrices that it is.
  const at::Tensor kernel = conv1_->weight.unsqueeze(2).unsqueeze(3);
  at::Tensor inner = at::conv2d(maps.flatten(0, 1).permute({0, 3, 1, 2}), kernel);
  inner = bn1_->forward(inner, context).relu_();
  const int64_t features = inner.size(1);
  inner = inner.permute({0, 2, 3, 1})
              .reshape({maps.size(0), maps.size(1), maps.size(2), maps.size(3), features})
              .permute({1, 4, 0, 2, 3})
              .contiguous();  // [clips, features, frames, height, width]
  inner = bn2_->forward(conv2_(inner), context).relu_();
  return inner.mean({2, 3, 4});
}

ClassifierBlock::ClassifierBlock(const Options& options)
    : options_(options),
      hidden_(register_module("hidden", torch::nn::Linear(options.features, options.hidden))),
      output_(register_module("output", torch::nn::Linear(options.hidden, options.identities))),
      bn_(register_module("bn", std::make_shared<BatchNorm>(options.hidden, kStimNormEpsilon))) {}

at::Tensor ClassifierBlock::forward(const at::Tensor& features, const ForwardContext& context) {
  at::Tensor hidden = at::leaky_relu(bn_->forward(hidden_(features), context), options_.leak);
  if (context.training) {
    hidden = keyed_dropout(hidden, options_.dropout, context.clip_keys, kDropoutInClassifier);
  }
  return output_(hidden);
}

}  // namespace muster::models
