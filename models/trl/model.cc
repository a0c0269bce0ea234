// TRL (Dai et al. 2018) as a Model: input, distance, settings.
#include <ATen/ATen.h>

#include "common/error.h"
#include "models/layers/convolution.h"
#include "models/losses/distances.h"
#include "models/model_catalog.h"
#include "models/network_model.h"
#include "models/setting_checks.h"
#include "models/trl/network.h"

namespace muster::models {
namespace {

class Trl : public NetworkModel<Model> {
 public:
  Trl(std::shared_ptr<TrlNetwork> network, const proto::Trl& options, uint64_t seed)
      : NetworkModel(network), network_(std::move(network)), options_(options) {
    network_->reset(seed);
  }
  InputFormat input_format() const override {
    return square_format(options_.input_size(), InputColour::kRgb, InputInterpolation::kBilinear,
                         kImagenetMean, kImagenetDeviation);
  }
  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override {
    require_square_clips(input, options_.input_size());
    return network_->forward(input, context);
  }
  // Euclidean, between representations as equation 16 has them.
  at::Tensor distance(const Signature& queries, const Signature& gallery) const override {
    // Mode 2: never by a matrix product, which loses small distances.
    return at::cdist(representation(queries), representation(gallery), 2.0, 2);
  }
  // (beta g_O / |g_O|, (1 - beta) g_A / |g_A|), or the one stream's feature divided by its length.
  at::Tensor representation(const Signature& signature) const override {
    const bool has_aligned = options_.alignment() != proto::Trl::UNALIGNED;
    const proto::Trl::Streams streams = has_aligned ? options_.streams() : proto::Trl::MAIN_ONLY;
    if (streams == proto::Trl::MAIN_ONLY) return stream_feature(signature, "main");
    if (streams == proto::Trl::ALIGNED_ONLY) return stream_feature(signature, "aligned");
    return at::cat({options_.beta() * stream_feature(signature, "main"),
                    (1 - options_.beta()) * stream_feature(signature, "aligned")},
                   1);
  }

 private:
  // Of unit length. Variants of a tracklet, [tracklets, variants, features], are averaged.
  at::Tensor stream_feature(const Signature& signature, const std::string& stream) const {
    const double alpha = options_.scored_alpha() < 0 ? options_.alpha() : options_.scored_alpha();
    const auto part = [&](const std::string& name) {
      const auto found = signature.find(stream + name);
      if (found == signature.end()) return at::Tensor();
      return mean_of_variants(found->second, 2);
    };
    const at::Tensor feature = mixed_feature(part("_generic"), part("_specific"), alpha);
    MUSTER_REQUIRE(feature.defined(), ==, true);
    return unit_rows(feature);
  }

  const std::shared_ptr<TrlNetwork> network_;
  const proto::Trl options_;
};

void demand_of_trl(bool holds, const std::string& field, double value, const std::string& range) {
  demand_setting(holds, "model.trl." + field, value, range);
}

// What there is no layer for, or nothing to mix.
void refuse_idle_fields_of_trl(const proto::Trl& trl) {
  const auto idle = [&](std::initializer_list<const char*> fields, const char* because) {
    refuse_without_effect(trl, "model.trl", fields, because);
  };
  if (trl.alignment() == proto::Trl::UNALIGNED) {
    idle({"localisation_hidden", "localisation_channels", "dropout", "beta"},
         "alignment is UNALIGNED");
  }
  if (trl.alignment() == proto::Trl::SPATIAL) {
    idle({"localisation_hidden", "dropout"}, "both are of the BiLSTM of SPATIAL_TEMPORAL");
  }
  if (trl.frame_level()) {
    idle({"hidden", "temporal", "alpha"}, "at frame_level there is no recurrent feature");
  }
  if (trl.temporal() != proto::Trl::GENERIC_AND_SPECIFIC) {
    idle({"alpha"}, "it mixes two features, and temporal is not GENERIC_AND_SPECIFIC");
  }
}

void check_layers_of_trl(const proto::Trl& trl) {
  const auto layer = [](const std::vector<std::string>& fields,
                        std::initializer_list<int64_t> sizes) {
    demand_layer_size("model.trl", fields, sizes);
  };
  constexpr int64_t kGates = 4;
  if (!trl.frame_level()) {
    const int64_t hidden = trl.hidden();
    const bool twice = trl.temporal() == proto::Trl::SPECIFIC ||
                       trl.temporal() == proto::Trl::GENERIC_AND_SPECIFIC;
    layer({"hidden", "width"}, {kGates, hidden, scaled_channels(1024, trl.width())});
    layer({"hidden"}, {kGates, hidden, twice ? 2 * hidden : hidden});
  }
  if (trl.alignment() == proto::Trl::UNALIGNED) return;
  const int64_t channels = trl.localisation_channels(), hidden = trl.localisation_hidden();
  layer({"localisation_channels", "width"}, {channels, scaled_channels(832, trl.width())});
  layer({"localisation_channels"}, {channels, channels});
  if (trl.alignment() == proto::Trl::SPATIAL) return;
  layer({"localisation_hidden", "localisation_channels"}, {kGates, hidden, channels});
  layer({"localisation_hidden"}, {kGates, hidden, hidden});
}

void check_trl(const proto::Trl& trl) {
  const auto share = [](const std::string& field, double value) {
    demand_of_trl(value >= 0 && value <= 1, field, value, "in [0, 1]");
  };
  const auto size = [](const std::string& field, int32_t value) {
    demand_of_trl(value > 0 && value <= 65536, field, value, "in 1 to 65536");
  };
  demand_of_trl(trl.width() > 0 && trl.width() <= 16, "width", trl.width(), "in (0, 16]");
  demand_of_trl(trl.input_size() >= 32 && trl.input_size() <= 2048 && trl.input_size() % 32 == 0,
                "input_size", trl.input_size(), "a multiple of 32 in 32 to 2048");
  size("hidden", trl.hidden());
  size("localisation_hidden", trl.localisation_hidden());
  size("localisation_channels", trl.localisation_channels());
  share("alpha", trl.alpha());
  share("beta", trl.beta());
  demand_of_trl(trl.dropout() >= 0 && trl.dropout() < 1, "dropout", trl.dropout(), "in [0, 1)");
  demand_of_trl(trl.scored_alpha() <= 1, "scored_alpha", trl.scored_alpha(), "at most 1");
  if (trl.scored_alpha() >= 0 &&
      (trl.temporal() != proto::Trl::GENERIC_AND_SPECIFIC || trl.frame_level())) {
    throw common::InputError("model.trl.scored_alpha",
                             "mixes two features, and this network has one",
                             "set temporal to GENERIC_AND_SPECIFIC, or leave it out");
  }
  if (trl.streams() == proto::Trl::ALIGNED_ONLY && trl.alignment() == proto::Trl::UNALIGNED) {
    throw common::InputError("model.trl.streams", "ALIGNED_ONLY of a network that is UNALIGNED",
                             "choose another alignment");
  }
  refuse_idle_fields_of_trl(trl);
  check_layers_of_trl(trl);
}

}  // namespace

std::unique_ptr<Model> create_trl(const proto::Model& options, int64_t identities, uint64_t seed) {
  check_trl(options.trl());
  return std::make_unique<Trl>(std::make_shared<TrlNetwork>(options.trl(), identities),
                               options.trl(), seed);
}

std::vector<AblationRow> trl_rows() {
  const std::vector<std::pair<std::string, std::string>> alignments = {
      {"", "UNALIGNED"}, {"+STN", "SPATIAL"}, {"+ST2N", "SPATIAL_TEMPORAL"}};
  const std::vector<std::pair<std::string, std::string>> features = {
      {"G+BiLSTM_g", "GENERIC"},
      {"G+BiLSTM_s", "SPECIFIC"},
      {"G+BiLSTM_g+BiLSTM_s", "GENERIC_AND_SPECIFIC"}};
  std::vector<AblationRow> rows = {
      {"G+LSTM_g", "Table I", "trl { alignment: UNALIGNED temporal: ONE_DIRECTION }"}};
  for (const auto& [suffix, alignment] : alignments) {
    for (const auto& [name, temporal] : features) {
      rows.push_back({name + suffix, "Table I",
                      "trl { alignment: " + alignment + " temporal: " + temporal + " }"});
    }
  }
  rows.push_back({"main stream", "Figure 4", "trl { streams: MAIN_ONLY }"});
  rows.push_back({"alignment stream", "Figure 4", "trl { streams: ALIGNED_ONLY }"});
  rows.push_back({"fusion", "Figure 4", "trl { }"});
  for (const auto& [name, field] : {std::pair("alpha ", "scored_alpha: "), {"beta ", "beta: "}}) {
    for (int tenths = 0; tenths <= 10; ++tenths) {
      const std::string value = tenth_text(tenths);
      rows.push_back({name + value, "Figure 5", std::string("trl { ") + field + value + " }"});
    }
  }
  return rows;
}

}  // namespace muster::models
