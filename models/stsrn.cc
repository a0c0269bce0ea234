// STSRN (Su et al. 2018), the full model: DoubleResBlocks + TemRes + STSM. Sizes in comments are
// for the published input of 56x40 and width 1.
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

#include "common/error.h"
#include "models/initialisation.h"
#include "models/keyed_dropout.h"
#include "models/model_catalog.h"
#include "models/network_model.h"

namespace muster::models {
namespace {

constexpr int kInputHeight = 56, kInputWidth = 40, kInputChannels = 5;

// What tells the two uses of dropout apart; the recurrent one adds its time step.
enum DropoutLayer : uint64_t { kBeforeFeatures = 1, kRecurrent = 1000 };

torch::nn::Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t padding) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).padding(padding));
}

at::Tensor pooled_tanh(const at::Tensor& maps) { return at::tanh(at::max_pool2d(maps, {2, 2})); }

int64_t scaled(double width, int64_t filters) {
  return std::max<int64_t>(1, std::llround(width * static_cast<double>(filters)));
}

// Figure 3c: no activation inside; both paths grow by 4 pixels and are added.
struct ResidualBlock : torch::nn::Module {
  torch::nn::Conv2d main1, main2, shortcut;
  ResidualBlock(int64_t in, int64_t out)
      : main1(register_module("main1", convolution(in, out, 5, 4))),
        main2(register_module("main2", convolution(out, out, 3, 1))),
        shortcut(register_module("shortcut", convolution(in, out, 5, 4))) {}
  at::Tensor forward(const at::Tensor& maps) { return main2(main1(maps)) + shortcut(maps); }
};

struct StsrnNetwork : torch::nn::Module {
  torch::nn::Conv2d conv{nullptr};
  std::shared_ptr<ResidualBlock> residual1, residual2;
  torch::nn::Linear features{nullptr}, input_to_hidden{nullptr}, hidden_to_hidden{nullptr};
  torch::nn::Linear classifier{nullptr};
  at::Tensor synergy;  // w; omega = sigmoid(w), theta = 1 - omega
  double dropout;

  StsrnNetwork(const proto::Stsrn& options, int64_t identities) : dropout(options.dropout()) {
    const int64_t first = scaled(options.width(), 16), second = scaled(options.width(), 32);
    const int64_t size = options.features();
    conv = register_module("conv", convolution(kInputChannels, first, 5, 4));
    residual1 = register_module("residual1", std::make_shared<ResidualBlock>(first, second));
    residual2 = register_module("residual2", std::make_shared<ResidualBlock>(second, second));
    features = register_module("features", torch::nn::Linear(second * 10 * 8, size));
    input_to_hidden = register_module("input_to_hidden", torch::nn::Linear(size, size));
    hidden_to_hidden = register_module("hidden_to_hidden", torch::nn::Linear(size, size));
    synergy = register_parameter("synergy", at::zeros({size}));
    if (identities > 0) {
      classifier = register_module("classifier", torch::nn::Linear(size, identities));
    }
  }

  // [images, 5, 56, 40] -> [images, 32 * 10 * 8]
  at::Tensor frame_maps(const at::Tensor& images) {
    at::Tensor maps = pooled_tanh(conv(images));   // [images, 16, 30, 22]
    maps = pooled_tanh(residual1->forward(maps));  // [images, 32, 17, 13]
    maps = pooled_tanh(residual2->forward(maps));  // [images, 32, 10, 8]
    return maps.flatten(1);
  }

  // [clips, frames, features] -> [clips, features]: STSM, ResRNN, mean over time.
  at::Tensor video_feature(const at::Tensor& frame_features, const ForwardContext& context) {
    const at::Tensor omega = at::sigmoid(synergy);
    const int64_t frames = frame_features.size(1);
    at::Tensor state =
        at::zeros({frame_features.size(0), frame_features.size(2)}, frame_features.options());
    at::Tensor sum = at::zeros_like(state);
    for (int64_t t = 0; t < frames; ++t) {
      const at::Tensor now = frame_features.select(1, t);
      const at::Tensor x =
          t == 0 ? now : (1 - omega) * now + omega * frame_features.select(1, t - 1);
      const at::Tensor hidden = input_to_hidden(x) + hidden_to_hidden(state);
      const at::Tensor output = (hidden + x) / 2;
      sum = sum + output;
      state = at::tanh(output);
      if (context.training) {
        state =
            keyed_dropout(state, dropout, context.clip_keys, kRecurrent + static_cast<uint64_t>(t));
      }
    }
    return sum / static_cast<double>(frames);
  }

  ModelOutput forward(const ModelInput& input, const ForwardContext& context) {
    const at::Tensor images = at::cat({input.clips, input.flow}, 2);  // [clips, frames, 5, 56, 40]
    const int64_t clips = images.size(0), frames = images.size(1);
    at::Tensor maps = frame_maps(images.flatten(0, 1));
    maps = maps.view({clips, frames, maps.size(1)});
    if (context.training) maps = keyed_dropout(maps, dropout, context.clip_keys, kBeforeFeatures);
    ModelOutput output;
    output.signature["features"] = video_feature(features(maps), context);
    if (classifier) output.logits["identity"] = classifier(output.signature["features"]);
    return output;
  }
};

class Stsrn : public NetworkModel<Model> {
 public:
  Stsrn(std::shared_ptr<StsrnNetwork> network, const proto::Stsrn& options, uint64_t seed)
      : NetworkModel(network),
        network_(std::move(network)),
        input_format_{64, 48, kInputHeight, kInputWidth, true} {
    input_format_.divide_by_root_of_deviation = options.divide_by_root_of_deviation();
    input_format_.vertical_flow_first = options.vertical_flow_first();
    for (const auto& [name, value] : parameters()) {
      if (value.dim() >= 2) {
        xavier_uniform_(value, seed, name);
      } else {
        value.detach().zero_();
      }
    }
  }
  InputFormat input_format() const override { return input_format_; }
  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override {
    MUSTER_REQUIRE(input.clips.dim(), ==, 5);
    MUSTER_REQUIRE(input.clips.size(3), ==, kInputHeight);
    MUSTER_REQUIRE(input.clips.size(4), ==, kInputWidth);
    MUSTER_REQUIRE(input.flow.defined(), ==, true);
    return network_->forward(input, context);
  }
  // Signatures with several variants of a tracklet, [tracklets, variants, features], add their
  // distances.
  at::Tensor distance(const Signature& queries, const Signature& gallery) const override {
    const auto by_variant = [](const at::Tensor& features) {
      return (features.dim() == 3 ? features : features.unsqueeze(1)).transpose(0, 1).contiguous();
    };
    // Mode 2: never by a matrix product, which loses small distances.
    return at::cdist(by_variant(queries.at("features")), by_variant(gallery.at("features")), 2.0, 2)
        .sum(0);
  }

 private:
  const std::shared_ptr<StsrnNetwork> network_;
  InputFormat input_format_;
};

}  // namespace

std::unique_ptr<Model> create_stsrn(const proto::Model& options, int64_t identities,
                                    uint64_t seed) {
  const proto::Stsrn& stsrn = options.stsrn();
  const auto demand = [](bool holds, const std::string& field, double value, const char* range) {
    if (!holds) {
      throw common::InputError("model.stsrn." + field, std::to_string(value) + " is not " + range);
    }
  };
  demand(stsrn.width() > 0 && stsrn.width() <= 16, "width", stsrn.width(), "in (0, 16]");
  demand(stsrn.features() > 0 && stsrn.features() <= 65536, "features", stsrn.features(),
         "in 1 to 65536");
  demand(stsrn.dropout() >= 0 && stsrn.dropout() < 1, "dropout", stsrn.dropout(), "in [0, 1)");
  return std::make_unique<Stsrn>(std::make_shared<StsrnNetwork>(stsrn, identities), stsrn, seed);
}

}  // namespace muster::models
