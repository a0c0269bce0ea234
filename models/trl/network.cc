#include "models/trl/network.h"

#include <ATen/ATen.h>

#include "models/frame_portions.h"
#include "models/initialisation.h"

namespace muster::models {
namespace {

GoogLeNetOptions trl_backbone_options(const proto::Trl& options, bool stem) {
  return {options.backbone() == proto::Trl::GOOGLENET_V1, options.width(), stem};
}

bool has_ending(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

at::Tensor mixed_feature(const at::Tensor& generic, const at::Tensor& specific, double alpha) {
  if (!specific.defined()) return generic;
  if (!generic.defined()) return specific;
  return alpha * generic + (1 - alpha) * specific;
}

TrlNetwork::TrlNetwork(const proto::Trl& options, int64_t identities) : options_(options) {
  main_ = register_module("main", std::make_shared<GoogLeNet>(trl_backbone_options(options, true)));
  main_head_ = make_head("main", identities);
  if (options.alignment() == proto::Trl::UNALIGNED) return;
  SpatialTransformerOptions transform;
  transform.in = main_->middle_channels();
  transform.channels = options.localisation_channels();
  transform.temporal = options.alignment() == proto::Trl::SPATIAL_TEMPORAL;
  transform.hidden = options.localisation_hidden();
  transform.dropout = options.dropout();
  transformer_ = register_module("transformer", std::make_shared<SpatialTransformer>(transform));
  aligned_ =
      register_module("aligned", std::make_shared<GoogLeNet>(trl_backbone_options(options, false)));
  aligned_head_ = make_head("aligned", identities);
}

TrlNetwork::Head TrlNetwork::make_head(const std::string& stream, int64_t identities) {
  Head head;
  int64_t size = main_->channels();
  if (!options_.frame_level()) {
    head.temporal = register_module(
        stream + "_temporal",
        std::make_shared<TemporalResidual>(size, options_.hidden(), options_.temporal()));
    size = head.temporal->features();
  }
  if (identities > 0) {
    // Another name for every stream and level: the weights of one level do not fit the other.
    const std::string name = std::string(stream == "main" ? "" : stream + "_") +
                             (options_.frame_level() ? "frame_classifier" : "classifier");
    head.classifier = register_module(name, torch::nn::Linear(size, identities));
  }
  return head;
}

void TrlNetwork::conclude(Head& head, const std::string& stream, const std::string& logits,
                          const at::Tensor& descriptors, ModelOutput& output) {
  TemporalResidual::Features features;
  if (head.temporal) {
    features = head.temporal->forward(descriptors);
  } else {
    features.generic = descriptors.mean(1);
  }
  if (features.generic.defined()) output.signature[stream + "_generic"] = features.generic;
  if (features.specific.defined()) output.signature[stream + "_specific"] = features.specific;
  if (!head.classifier) return;
  output.logits[logits] = head.classifier(
      head.temporal ? mixed_feature(features.generic, features.specific, options_.alpha())
                    : descriptors);
}

ModelOutput TrlNetwork::forward(const ModelInput& input, const ForwardContext& context) {
  const int64_t clips = input.clips.size(0), frames = input.clips.size(1);
  const auto by_clip = [&](const at::Tensor& descriptors) {
    return descriptors.view({clips, frames, descriptors.size(1)});
  };
  constexpr int64_t kHeight = 2, kWidth = 3;  // axes of the global average pools
  // Of every frame: the main stream's descriptor, and what the aligned stream starts from.
  const ImageTensors of_frames = in_portions(
      ImageTensors{input.clips.flatten(0, 1)}, context, [&](const ImageTensors& images) {
        const at::Tensor low = main_->convs(images.front(), context);
        const at::Tensor middle = main_->inception2(main_->inception1(low, context), context);
        ImageTensors results{main_->inception3(middle, context).mean({kHeight, kWidth})};
        if (aligned_)
          results.insert(results.end(), {low, transformer_->described(middle, context)});
        return results;
      });
  ModelOutput output;
  conclude(main_head_, "main", "identity", by_clip(of_frames[0]), output);
  if (aligned_) {
    const at::Tensor transforms = transformer_->transforms(of_frames[2], clips, context);
    const auto aligned = [&](const ImageTensors& low_and_transforms) {
      at::Tensor maps = scaled_and_shifted(low_and_transforms[0], low_and_transforms[1]);  // Yhat
      maps = aligned_->inception2(aligned_->inception1(maps, context), context);
      return ImageTensors{aligned_->inception3(maps, context).mean({kHeight, kWidth})};
    };
    conclude(aligned_head_, "aligned", "identity_aligned",
             by_clip(in_portions({of_frames[1], transforms}, context, aligned).front()), output);
  }
  return output;
}

void TrlNetwork::reset(uint64_t seed) {
  constexpr double kDeviation = 0.01;
  constexpr int64_t kGates = 4;
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const at::Tensor& value = item.value();
    if (name.find(".weight_ih_l0") != std::string::npos ||
        name.find(".weight_hh_l0") != std::string::npos) {
      orthogonal_(value, kGates, seed, name);
    } else if (value.dim() >= 2) {
      gaussian_(value, kDeviation, seed, name);
    } else if (has_ending(name, ".bn.weight")) {
      value.detach().fill_(1);
    } else {
      value.detach().zero_();
    }
  }
  if (transformer_) transformer_->reset_to_identity();
}

}  // namespace muster::models
