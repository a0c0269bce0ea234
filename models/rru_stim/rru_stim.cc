// RRU + STIM (Liu et al. 2019): Inception-v3 per frame, refinement over time, integration into one
// vector per clip. Sizes in comments are for inputs of 299 and width 1.
#include <torch/nn/modules/rnn.h>

#include "common/error.h"
#include "models/backbones/inception_v3.h"
#include "models/frame_portions.h"
#include "models/initialisation.h"
#include "models/losses/distances.h"
#include "models/model_catalog.h"
#include "models/network_model.h"
#include "models/rru_stim/integration.h"
#include "models/rru_stim/refinement.h"
#include "models/setting_checks.h"

namespace muster::models {
namespace {

constexpr int64_t kTransition = 256, kClassifierHidden = 512;  // times width
constexpr double kLeak = 0.1;

struct RruStimNetwork : torch::nn::Module {
  using Options = proto::RruStim;
  const Options::Integration integration;
  const std::shared_ptr<InceptionV3> backbone;
  const int64_t map_size, channels;
  std::shared_ptr<Refinement> refinement;  // null: unrefined
  torch::nn::LSTM lstm{nullptr};
  std::shared_ptr<SpatialTemporalIntegration> stim;
  std::shared_ptr<ClassifierBlock> classifier;  // null without identities

  RruStimNetwork(const Options& options, int64_t identities)
      : integration(options.integration()),
        backbone(register_module("backbone",
                                 std::make_shared<InceptionV3>(options.width(), identities))),
        map_size(InceptionV3::map_size(options.input_size())),
        channels(backbone->channels()) {
    if (options.refinement() != Options::UNREFINED) {
      const RefinementSize size{channels, scaled_channels(kTransition, options.width()), map_size,
                                map_size};
      refinement =
          register_module("refinement", std::make_shared<Refinement>(size, options.refinement()));
    }
    int64_t features = options.feature_size();
    if (integration == Options::STIM) {
      stim =
          register_module("stim", std::make_shared<SpatialTemporalIntegration>(channels, features));
    } else if (integration == Options::LSTM_INTEGRATION) {
      lstm = register_module("lstm", torch::nn::LSTM(torch::nn::LSTMOptions(channels, features)));
    } else {
      features = channels;
    }
    if (identities > 0) {
      ClassifierBlock::Options block;
      block.features = features;
      block.hidden = scaled_channels(kClassifierHidden, options.width());
      block.identities = identities;
      block.leak = options.relu_in_classifier() ? 0 : kLeak;
      block.dropout = options.dropout();
      classifier = register_module("classifier", std::make_shared<ClassifierBlock>(block));
    }
  }

  // [images, 3, 299, 299]; `middle` only where a classifier looks at it.
  InceptionV3Maps frame_maps(const at::Tensor& images, const ForwardContext& context) {
    const ImageTensors maps =
        in_portions(ImageTensors{images}, context, [&](const ImageTensors& some) {
          const InceptionV3Maps own = backbone->forward(some.front(), context);
          return ImageTensors{classifier ? own.middle : at::Tensor(), own.last};
        });
    return {maps[0], maps[1]};
  }

  // [frames, clips, places, channels] -> [clips, features]
  at::Tensor video_feature(const at::Tensor& refined, const ForwardContext& context) {
    if (integration == Options::STIM) {
      return stim->forward(
          refined.view({refined.size(0), refined.size(1), map_size, map_size, channels}), context);
    }
    if (integration == Options::MEAN_POOLING) return refined.mean(at::IntArrayRef{0, 2});
    const auto [outputs, state] = lstm(refined.mean(2));
    return outputs.mean(0);
  }

  ModelOutput forward(const at::Tensor& clips_of_frames, const ForwardContext& context) {
    const int64_t clips = clips_of_frames.size(0), frames = clips_of_frames.size(1);
    const InceptionV3Maps maps = frame_maps(clips_of_frames.flatten(0, 1), context);
    at::Tensor refined = maps.last.view({clips, frames, channels, map_size * map_size})
                             .permute({1, 0, 3, 2})
                             .contiguous();  // [frames, clips, 64, 2048]
    if (refinement) refined = refinement->forward(refined, context);
    ModelOutput output;
    const at::Tensor features = video_feature(refined, context);
    output.signature["features"] = features;
    // p^r: the mean over frames and row r.
    output.signature["parts"] =
        refined.view({frames, clips, map_size, map_size, channels}).mean(at::IntArrayRef{0, 3});
    if (classifier) {
      output.logits["identity"] = classifier->forward(features, context);
      const at::Tensor& middle = maps.middle;
      const at::Tensor mean =
          middle.view({clips, frames, middle.size(1), middle.size(2), middle.size(3)}).mean(1);
      output.logits["auxiliary"] = backbone->auxiliary_logits(mean, context);
    }
    return output;
  }
};

void initialise(const NamedTensors& parameters, uint64_t seed) {
  const auto ends_with = [](const std::string& name, const std::string& end) {
    return name.size() >= end.size() &&
           name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  for (const auto& [name, value] : parameters) {
    if (value.dim() == 1) {
      // The weights of batch norms stay one.
      if (!ends_with(name, "weight")) value.detach().zero_();
    } else if (ends_with(name, "output.weight") || ends_with(name, "fc.weight")) {
      gaussian_(value, 0.001, seed, name);  // to the identities
    } else if (name.compare(0, 5, "lstm.") == 0) {
      orthogonal_(value, 4, seed, name);
    } else {
      kaiming_normal_(value, /*fan_out=*/false, seed, name);
    }
  }
}

class RruStim : public NetworkModel<Model> {
 public:
  RruStim(std::shared_ptr<RruStimNetwork> network, int input_size, uint64_t seed)
      : NetworkModel(network),
        network_(std::move(network)),
        input_format_(square_format(input_size, InputColour::kRgb, InputInterpolation::kBicubic,
                                    {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f})) {
    initialise(parameters(), seed);
  }
  InputFormat input_format() const override { return input_format_; }
  // The signature is "features" [clips, features] and "parts" [clips, rows, channels], the means of
  // the rows of the refined maps, which the part-level loss wants and scoring doesn't.
  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override {
    require_square_clips(input, input_format_.crop_height);
    return network_->forward(input.clips, context);
  }
  // Euclidean, of features of length 1; several variants of a tracklet, [tracklets, variants,
  // features], are averaged before.
  at::Tensor distance(const Signature& queries, const Signature& gallery) const override {
    const auto normalised = [](const at::Tensor& features) {
      return unit_rows(mean_of_variants(features, 2));
    };
    // Mode 2: never by a matrix product, which loses small distances.
    return at::cdist(normalised(queries.at("features")), normalised(gallery.at("features")), 2.0,
                     2);
  }
  bool scores(const std::string& tensor) const override { return tensor == "features"; }

 private:
  const std::shared_ptr<RruStimNetwork> network_;
  InputFormat input_format_;
};

void check_feature_size(const proto::RruStim& rru) {
  if (rru.integration() == proto::RruStim::MEAN_POOLING) {
    refuse_without_effect(rru, "model.rru_stim", {"feature_size"},
                          "with MEAN_POOLING the feature has the backbone's channels");
    return;
  }
  // Per input: an LSTM's gates, or the kernel of STIM's second convolution.
  constexpr int64_t kLstmGates = 4, kStimKernel = 27;
  const bool stim = rru.integration() == proto::RruStim::STIM;
  const int64_t features = rru.feature_size(), channels = scaled_channels(2048, rru.width());
  demand_layer_size("model.rru_stim", {"feature_size", "width"},
                    {stim ? 1 : kLstmGates, features, channels});
  demand_layer_size("model.rru_stim", {"feature_size"},
                    {stim ? kStimKernel : kLstmGates, features, features});
}

}  // namespace

std::unique_ptr<Model> create_rru_stim(const proto::Model& options, int64_t identities,
                                       uint64_t seed) {
  const proto::RruStim& rru = options.rru_stim();
  const auto demand = [](bool holds, const std::string& field, double value, const char* range) {
    demand_setting(holds, "model.rru_stim." + field, value, range);
  };
  demand(rru.width() > 0 && rru.width() <= 16, "width", rru.width(), "in (0, 16]");
  demand(rru.input_size() >= InceptionV3::kSmallestInput && rru.input_size() <= 4096, "input_size",
         rru.input_size(), "in 75 to 4096");
  demand(rru.feature_size() > 0 && rru.feature_size() <= 65536, "feature_size", rru.feature_size(),
         "in 1 to 65536");
  demand(rru.dropout() >= 0 && rru.dropout() < 1, "dropout", rru.dropout(), "in [0, 1)");
  check_feature_size(rru);
  return std::make_unique<RruStim>(std::make_shared<RruStimNetwork>(rru, identities),
                                   rru.input_size(), seed);
}

}  // namespace muster::models
