#include "models/trl/spatial_transformer.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/keyed_dropout.h"

namespace muster::models {
namespace {

constexpr double kLocalisationEpsilon = 1e-5;
constexpr uint64_t kLocalisationDropout = 1;

// [images, pixels]: scale * x + shift for the coordinates of `pixels` pixels.
at::Tensor sampling_coordinates(const at::Tensor& scale, const at::Tensor& shift, int64_t pixels) {
  return scale.unsqueeze(1) * at::linspace(-1, 1, pixels, scale.options()) + shift.unsqueeze(1);
}

}  // namespace

at::Tensor scaled_and_shifted(const at::Tensor& maps, const at::Tensor& transforms) {
  MUSTER_REQUIRE(maps.size(0), ==, transforms.size(0));
  MUSTER_REQUIRE(transforms.size(1), ==, 4);
  const int64_t images = maps.size(0), height = maps.size(2), width = maps.size(3);
  const std::vector<at::Tensor> value = transforms.unbind(1);
  const at::Tensor x = sampling_coordinates(value[0], value[1], width);
  const at::Tensor y = sampling_coordinates(value[2], value[3], height);
  const at::Tensor grid = at::stack({x.unsqueeze(1).expand({images, height, width}),
                                     y.unsqueeze(2).expand({images, height, width})},
                                    3);
  constexpr int64_t kBilinear = 0, kZerosOutside = 0;
  return at::grid_sampler(maps, grid, kBilinear, kZerosOutside, /*align_corners=*/true);
}

SpatialTransformer::SpatialTransformer(const SpatialTransformerOptions& options)
    : options_(options) {
  const auto unit = [&](const std::string& name, int64_t in) {
    return register_module(name, std::make_shared<ConvolutionUnit>(square(in, options.channels, 1),
                                                                   kLocalisationEpsilon));
  };
  unit1_ = unit("unit1", options.in);
  unit2_ = unit("unit2", options.channels);
  int64_t size = options.channels;
  if (options.temporal) {
    recurrent_ = register_module(
        "recurrent",
        torch::nn::LSTM(
            torch::nn::LSTMOptions(size, options.hidden).batch_first(true).bidirectional(true)));
    size = 2 * options.hidden;
  }
  transform_ = register_module("transform", torch::nn::Linear(size, 4));
}

at::Tensor SpatialTransformer::described(const at::Tensor& features,
                                         const ForwardContext& context) {
  const at::Tensor pooled = at::max_pool2d(unit1_->forward(features, context), {2, 2}, {2, 2});
  return unit2_->forward(pooled, context).mean({2, 3});
}

at::Tensor SpatialTransformer::transforms(const at::Tensor& descriptions, int64_t clips,
                                          const ForwardContext& context) {
  at::Tensor values = descriptions;
  if (recurrent_) {
    const int64_t frames = clips > 0 ? values.size(0) / clips : 1;
    values = std::get<0>(recurrent_(values.view({clips, frames, values.size(1)})));
    if (context.training) {
      values = keyed_dropout(values, options_.dropout, context.clip_keys, kLocalisationDropout);
    }
    values = values.flatten(0, 1);
  }
  return transform_(values);
}

void SpatialTransformer::reset_to_identity() {
  transform_->weight.detach().zero_();
  transform_->bias.detach().copy_(at::tensor({1.0, 0.0, 1.0, 0.0}));
}

}  // namespace muster::models
