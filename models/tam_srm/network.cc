#include "models/tam_srm/network.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/frame_portions.h"
#include "models/initialisation.h"

namespace muster::models {
namespace {

CaffeNetOptions tam_srm_backbone_options(const proto::TamSrm& options) {
  CaffeNetOptions backbone;
  backbone.width = options.width();
  backbone.input_size = options.input_size();
  backbone.features = options.feature() == proto::TamSrm::NO_FEATURE ? 0 : options.feature_size();
  backbone.dropout = options.dropout();
  return backbone;
}

}  // namespace

TamSrmNetwork::TamSrmNetwork(const proto::TamSrm& options, int64_t identities) : options_(options) {
  backbone_ =
      register_module("backbone", std::make_shared<CaffeNet>(tam_srm_backbone_options(options)));
  int64_t features = options.recurrent_size();
  switch (options.feature()) {
    case proto::TamSrm::MEAN:
      features = options.feature_size();
      break;
    case proto::TamSrm::RECURRENT:
      recurrent_ = register_module(
          "recurrent",
          torch::nn::LSTM(
              torch::nn::LSTMOptions(options.feature_size(), features).batch_first(true)));
      break;
    case proto::TamSrm::ATTENTION:
      attention_ =
          register_module("attention", std::make_shared<TemporalAttention>(TemporalAttentionSize{
                                           options.feature_size(), options.attention_size(),
                                           options.recurrent_size(), options.attend_to_cell()}));
      break;
    case proto::TamSrm::NO_FEATURE:
      features = 0;
      break;
  }
  if (options.pair_metric() != proto::TamSrm::NO_METRIC) {
    metric_ = register_module("metric", std::make_shared<SpatialRecurrence>(metric_size()));
  }
  if (identities > 0 && features > 0) {
    classifier_ = register_module("classifier", torch::nn::Linear(features, identities));
  }
}

SpatialRecurrenceSize TamSrmNetwork::metric_size() const {
  SpatialRecurrenceSize size;
  size.in = backbone_->channels();
  size.frames = options_.frames();
  size.height = size.width = CaffeNet::map_size(options_.input_size());
  size.channels = options_.metric_channels();
  size.hidden = options_.metric_hidden();
  size.dropout = options_.dropout();
  size.sweeps = options_.pair_metric() == proto::TamSrm::SPATIAL_RECURRENT;
  return size;
}

at::Tensor TamSrmNetwork::feature_of(const at::Tensor& frames) {
  if (attention_) return attention_->forward(frames);
  if (recurrent_) return std::get<0>(recurrent_(frames)).mean(1);
  return frames.mean(1);
}

ModelOutput TamSrmNetwork::forward(const ModelInput& input, const ForwardContext& context) {
  const int64_t frames = input.clips.size(1);
  if (metric_ && frames != options_.frames()) {
    throw common::InputError(
        "clip",
        "has " + std::to_string(frames) + " frames; the pair metric compares exactly " +
            std::to_string(options_.frames()) + " (model.tam_srm.frames)",
        "train with batch.frames and extract with extraction.max_frames of that number, with "
        "extraction.fixed_length");
  }
  const at::Tensor maps =
      in_portions(input.clips.flatten(0, 1), context,
                  [&](const at::Tensor& images) { return backbone_->pool5(images); });
  ModelOutput output;
  if (options_.feature() != proto::TamSrm::NO_FEATURE) {
    const at::Tensor features = feature_of(backbone_->fc7(maps, frames, context));
    output.signature["features"] = features;
    if (classifier_) output.logits["identity"] = classifier_(features);
  }
  if (metric_) output.signature["maps"] = metric_->reduced(maps);
  return output;
}

at::Tensor TamSrmNetwork::pair_logits(const at::Tensor& first, const at::Tensor& second,
                                      const ForwardContext& context) {
  MUSTER_REQUIRE(static_cast<bool>(metric_), ==, true);
  return metric_->logits(first, second, context);
}

void TamSrmNetwork::reset(uint64_t seed) {
  for (const auto& item : named_parameters()) {
    if (item.value().dim() == 1) {
      item.value().detach().zero_();
    } else {
      xavier_uniform_(item.value(), seed, item.key());
    }
  }
}

}  // namespace muster::models
