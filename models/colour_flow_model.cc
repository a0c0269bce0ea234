#include "models/colour_flow_model.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/initialisation.h"
#include "models/layers/convolution.h"
#include "models/setting_checks.h"

namespace muster::models {
namespace {

constexpr int kInputHeight = 56, kInputWidth = 40;

at::Tensor by_variant(const at::Tensor& features) {
  return (features.dim() == 3 ? features : features.unsqueeze(1)).transpose(0, 1).contiguous();
}

}  // namespace

ModelOutput ColourFlowNetwork::forward(const ModelInput& input, const ForwardContext& context) {
  const at::Tensor images = at::cat({input.clips, input.flow}, 2);  // [clips, frames, 5, ...]
  ModelOutput output;
  const at::Tensor video = video_feature(frame_features(images, context), context);
  output.signature["features"] = video;
  if (classifier_) output.logits["identity"] = classifier_(video);
  return output;
}

void ColourFlowNetwork::add_classifier(int64_t features, int64_t identities) {
  if (identities == 0) return;
  classifier_ = register_module("classifier", torch::nn::Linear(features, identities));
}

ColourFlowModel::ColourFlowModel(std::shared_ptr<ColourFlowNetwork> network,
                                 const InputFormat& input_format, uint64_t seed)
    : NetworkModel(network), network_(std::move(network)), input_format_(input_format) {
  for (const auto& [name, value] : parameters()) {
    if (value.dim() >= 2) {
      xavier_uniform_(value, seed, name);
    } else {
      value.detach().zero_();
    }
  }
}

ModelOutput ColourFlowModel::forward(const ModelInput& input, const ForwardContext& context) {
  MUSTER_REQUIRE(input.clips.dim(), ==, 5);
  MUSTER_REQUIRE(input.clips.size(1), >=, 1);
  MUSTER_REQUIRE(input.clips.size(3), ==, kInputHeight);
  MUSTER_REQUIRE(input.clips.size(4), ==, kInputWidth);
  MUSTER_REQUIRE(input.flow.defined(), ==, true);
  return network_->forward(input, context);
}

at::Tensor ColourFlowModel::distance(const Signature& queries, const Signature& gallery) const {
  // Mode 2: never by a matrix product, which loses small distances.
  return at::cdist(by_variant(queries.at("features")), by_variant(gallery.at("features")), 2.0, 2)
      .sum(0);
}

InputFormat colour_flow_format() { return {64, 48, kInputHeight, kInputWidth, /*flow=*/true}; }

template <typename Settings>
FrameNetworkOptions frame_network_options(const Settings& settings, const std::string& prefix) {
  demand_setting(settings.width() > 0 && settings.width() <= 16, prefix + ".width",
                 settings.width(), "in (0, 16]");
  demand_setting(settings.features() > 0 && settings.features() <= 65536, prefix + ".features",
                 settings.features(), "in 1 to 65536");
  demand_setting(settings.dropout() >= 0 && settings.dropout() < 1, prefix + ".dropout",
                 settings.dropout(), "in [0, 1)");
  // A recurrent net's matrix; the layer on the last maps, of 11x9 places at most (TRIPLE_RESIDUAL).
  const int64_t features = settings.features();
  demand_layer_size(prefix, {"features"}, {features, features});
  demand_layer_size(prefix, {"features", "width"},
                    {features, scaled_channels(32, settings.width()), 11 * 9});
  FrameNetworkOptions options;
  options.filters = settings.width();
  options.height = kInputHeight;
  options.width = kInputWidth;
  options.features = settings.features();
  options.dropout = settings.dropout();
  return options;
}

template FrameNetworkOptions frame_network_options(const proto::Stsrn&, const std::string&);
template FrameNetworkOptions frame_network_options(const proto::CnnRnn&, const std::string&);

}  // namespace muster::models
