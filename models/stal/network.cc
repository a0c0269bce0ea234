#include "models/stal/network.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/backbones/bn_inception.h"
#include "models/frame_portions.h"
#include "models/initialisation.h"
#include "models/layers/convolution.h"
#include "models/stal/aggregation.h"
#include "models/stal/part_boxes.h"
#include "models/stal/roi_pooling.h"

namespace muster::models {
namespace {

constexpr int64_t kPartSide = 8;              // of a part's maps before its trunk, 4 behind it
constexpr double kPlacesPerPixel = 1 / 16.0;  // of the low-level maps

}  // namespace

StalNetwork::StalNetwork(const proto::Stal& options, int64_t identities)
    : options_(options),
      trunk_(stal_trunk(options.backbone(), options.width(),
                        options.branches() != proto::Stal::PART_BRANCH)) {
  register_module("backbone", trunk_.module);
  if (options.branches() != proto::Stal::PART_BRANCH) add_global_branch(identities);
  if (options.branches() != proto::Stal::GLOBAL_BRANCH) add_part_branch(identities);
}

void StalNetwork::add_global_branch(int64_t identities) {
  if (options_.attention_branch()) {
    ran_ = register_module(
        "ran", std::make_shared<ResidualAttention>(trunk_.low_channels, trunk_.attended_channels,
                                                   options_.width()));
  }
  int64_t size = trunk_.channels;
  if (options_.global_size() > 0) {
    global_embedding_ =
        register_module("global_embedding", torch::nn::Linear(size, options_.global_size()));
    size = options_.global_size();
  }
  if (identities > 0) {
    classifier_ = register_module("classifier", torch::nn::Linear(size, identities));
    if (options_.auxiliary_heads()) add_auxiliary_heads(identities);
  }
}

// On 3c, whose sides are a 16th of the picture's, and on 4e, a 32nd.
void StalNetwork::add_auxiliary_heads(int64_t identities) {
  const double width = options_.width();
  early_head_ = register_module(
      "auxiliary_early",
      std::make_shared<AuxiliaryHead>(BnInceptionBlock::channels_of("3c", width),
                                      options_.input_size() / 16, width, identities));
  late_head_ = register_module(
      "auxiliary_late",
      std::make_shared<AuxiliaryHead>(BnInceptionBlock::channels_of("4e", width),
                                      options_.input_size() / 32, width, identities));
}

void StalNetwork::add_part_branch(int64_t identities) {
  attention_ = register_module("attention",
                               std::make_shared<QualityAttention>(
                                   scaled_channels(options_.attention_channels(), options_.width()),
                                   options_.input_size(), kBodyParts));
  const int64_t places = options_.pool_parts() ? 1 : kPartSide / 2 * kPartSide / 2;
  for (int64_t i = 1; i <= kBodyParts; ++i) {
    Part part;
    part.trunk = stal_part_trunk(options_.backbone(), options_.width());
    const auto holder =
        register_module("part" + std::to_string(i), std::make_shared<torch::nn::Module>());
    holder->register_module("trunk", part.trunk.module);
    part.fc = holder->register_module(
        "fc", torch::nn::Linear(part.trunk.channels * places, options_.part_size()));
    if (identities > 0) {
      part.classifier = holder->register_module(
          "classifier", torch::nn::Linear(options_.part_size(), identities));
    }
    parts_.push_back(part);
  }
}

ModelOutput StalNetwork::forward(const ModelInput& input, const ForwardContext& context) {
  const int64_t clips = input.clips.size(0), frames = input.clips.size(1);
  ImageTensors inputs{input.clips.flatten(0, 1)};
  if (attention_) inputs.push_back(part_boxes(input).flatten(0, 1));
  const ImageTensors of_frames = in_portions(inputs, context, [&](const ImageTensors& some) {
    const FrameValues values = frame_values(some[0], attention_ ? some[1] : at::Tensor(), context);
    ImageTensors results{values.global, values.scores, values.early, values.late};
    results.insert(results.end(), values.parts.begin(), values.parts.end());
    return results;
  });
  const FrameValues values{of_frames[0],
                           of_frames[1],
                           of_frames[2],
                           of_frames[3],
                           {of_frames.begin() + 4, of_frames.end()}};
  ModelOutput output;
  if (trunk_.attended) conclude_global(values, clips, frames, output);
  if (attention_) conclude_parts(values, clips, frames, output);
  return output;
}

StalNetwork::FrameValues StalNetwork::frame_values(const at::Tensor& images,
                                                   const at::Tensor& boxes,
                                                   const ForwardContext& context) {
  FrameValues values;
  at::Tensor after_3c;
  const at::Tensor low = trunk_.low(images, context, early_head_ ? &after_3c : nullptr);
  if (trunk_.attended) look_at_whole(low, after_3c, context, values);
  if (!attention_) return values;
  values.scores = attention_->scores(images);
  const at::Tensor places =
      places_of_boxes(boxes.transpose(0, 1), kPlacesPerPixel, low.size(2), low.size(3));
  const std::vector<at::Tensor> maps = roi_max_pool(low, places, kPartSide).unbind(0);
  for (size_t i = 0; i < parts_.size(); ++i) {
    values.parts.push_back(part_feature(parts_[i], maps[i], context));
  }
  return values;
}

void StalNetwork::look_at_whole(const at::Tensor& low, const at::Tensor& after_3c,
                                const ForwardContext& context, FrameValues& values) {
  at::Tensor maps = trunk_.attended(low, context), after_4e;
  if (ran_) maps = attended(maps, ran_->mask(low));
  values.global = trunk_.rest(maps, context, late_head_ ? &after_4e : nullptr).mean({2, 3});
  if (!early_head_) return;
  values.early = early_head_->forward(after_3c, context);
  values.late = late_head_->forward(after_4e, context);
}

void StalNetwork::conclude_global(const FrameValues& values, int64_t clips, int64_t frames,
                                  ModelOutput& output) {
  const auto by_clip = [&](const at::Tensor& of_images) {
    return of_images.view({clips, frames, of_images.size(1)});
  };
  if (values.early.defined()) {
    output.logits["auxiliary_early"] = by_clip(values.early);
    output.logits["auxiliary_late"] = by_clip(values.late);
  }
  at::Tensor feature = by_clip(values.global).mean(1);
  if (global_embedding_) feature = global_embedding_(feature);
  output.signature["global"] = feature;
  if (classifier_) output.logits["identity"] = classifier_(feature);
}

at::Tensor StalNetwork::part_boxes(const ModelInput& input) const {
  const int64_t size = options_.input_size(), clips = input.clips.size(0),
                frames = input.clips.size(1);
  at::Tensor boxes = input.boxes;
  if (!boxes.defined() && options_.boxes() == proto::Stal::BOXES_OF_JOINTS) {
    MUSTER_REQUIRE(input.joints.defined(), ==, true);
    boxes = boxes_of_joints(input.joints, size, size);
  }
  if (!boxes.defined()) {
    boxes = fixed_part_boxes(size, size)
                .to(input.clips.device())
                .expand({clips, frames, kBodyParts, 4});
  }
  MUSTER_REQUIRE(boxes.dim(), ==, 4);
  MUSTER_REQUIRE(boxes.size(0), ==, clips);
  MUSTER_REQUIRE(boxes.size(1), ==, frames);
  if (boxes.size(2) != kBodyParts) {
    throw common::InputError("boxes",
                             "are of " + std::to_string(boxes.size(2)) +
                                 " parts of the body, not " + std::to_string(kBodyParts),
                             "give a box for each part");
  }
  return boxes;
}

at::Tensor StalNetwork::part_feature(Part& part, const at::Tensor& maps,
                                     const ForwardContext& context) {
  const at::Tensor values = part.trunk.forward(maps, context);
  return part.fc(options_.pool_parts() ? values.mean({2, 3}) : values.flatten(1));
}

void StalNetwork::conclude_parts(const FrameValues& values, int64_t clips, int64_t frames,
                                 ModelOutput& output) {
  std::vector<at::Tensor> logits;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].classifier) logits.push_back(parts_[i].classifier(values.parts[i]));
  }
  const at::Tensor features =
      at::stack(values.parts).view({kBodyParts, clips, frames, options_.part_size()});
  const at::Tensor attention =
      normalised_attention(values.scores.view({clips, frames, kBodyParts}));
  output.signature["parts"] = attended_mean(features, attention);
  output.signature["parts_mean"] = features.mean(2).transpose(0, 1).contiguous();
  output.signature["attention"] = attention.mean(1);
  if (logits.empty()) return;
  const at::Tensor stacked = at::stack(logits, 1);  // [images, parts, identities]
  output.logits["parts"] = stacked.view({clips, frames, kBodyParts, stacked.size(2)});
}

void StalNetwork::reset(uint64_t seed) {
  const std::string trunk = ".trunk.";
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const at::Tensor& value = item.value();
    if (value.dim() >= 2) {
      const size_t place = name.find(trunk);
      const bool copied = place != std::string::npos;
      xavier_uniform_(value, seed, copied ? "backbone." + name.substr(place + trunk.size()) : name);
    } else {
      // Weights with one axis are batch norms'.
      value.detach().fill_(name.compare(name.size() - 5, 5, ".bias") == 0 ? 0 : 1);
    }
  }
  if (attention_) attention_->reset_to_equal();
}

}  // namespace muster::models
