// TAM + SRM (Zhou et al. 2017) as a PairModel: input, distance, settings.
#include <ATen/ATen.h>

#include <cmath>

#include "common/error.h"
#include "models/losses/distances.h"
#include "models/model_catalog.h"
#include "models/network_model.h"
#include "models/setting_checks.h"
#include "models/tam_srm/network.h"

namespace muster::models {
namespace {

using TamSrmOptions = proto::TamSrm;

// Pairs in work at a time: at most about 1 MB each at full size.
constexpr int64_t kPairsAtOnce = 128;

// Rows of two signatures that are compared, int64 [pairs] each.
struct ComparedRows {
  at::Tensor queries, gallery;
};

class TamSrm : public NetworkModel<PairModel> {
 public:
  TamSrm(std::shared_ptr<TamSrmNetwork> network, const TamSrmOptions& options, uint64_t seed)
      : NetworkModel(network), network_(std::move(network)), options_(options) {
    network_->reset(seed);
  }

  InputFormat input_format() const override {
    return caffe_format(options_.input_size(), InputInterpolation::kBilinear);
  }

  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override {
    require_square_clips(input, options_.input_size());
    return network_->forward(input, context);
  }

  bool judges_pairs() const override { return options_.pair_metric() != TamSrmOptions::NO_METRIC; }
  at::Tensor pair_logits(const Signature& first, const Signature& second,
                         const ForwardContext& context) override {
    return network_->pair_logits(first.at("maps"), second.at("maps"), context);
  }

  // docs/models.md says what this is in every case.
  at::Tensor distance(const Signature& queries, const Signature& gallery) const override {
    const bool reranks = wants_whole_gallery();
    at::Tensor by_features;
    if (reranks || options_.ranking() != TamSrmOptions::METRIC_ONLY) {
      by_features = feature_distance(queries, gallery);
    }
    if (options_.ranking() == TamSrmOptions::FEATURE_ONLY) return by_features;
    require_maps(queries.at("maps"));
    require_maps(gallery.at("maps"));
    const int64_t query_count = queries.at("maps").size(0);
    const int64_t gallery_count = gallery.at("maps").size(0);
    if (!reranks || options_.rerank() >= gallery_count) {
      const at::Tensor all =
          at::arange(gallery_count, queries.at("maps").options().dtype(at::kLong));
      return judged_distance(by_features, queries, gallery,
                             all.expand({query_count, gallery_count}));
    }
    constexpr int64_t kAlongGallery = 1;
    // Stable, so that of equal ones the first are nearest.
    const at::Tensor nearest =
        std::get<1>(at::sort(by_features, c10::optional<bool>(true), kAlongGallery,
                             /*descending=*/false))
            .narrow(1, 0, options_.rerank());
    const at::Tensor judged =
        judged_distance(by_features.gather(1, nearest), queries, gallery, nearest);
    return (by_features + judged.amax(1, true)).scatter(1, nearest, judged);
  }

  bool wants_whole_gallery() const override {
    return options_.rerank() > 0 && options_.ranking() != TamSrmOptions::FEATURE_ONLY;
  }

 private:
  // Euclidean, of unit length; variants, [tracklets, variants, features], are averaged before.
  static at::Tensor feature_distance(const Signature& queries, const Signature& gallery) {
    const auto rows = [](const at::Tensor& features) {
      return unit_rows(mean_of_variants(features, 2));
    };
    // Mode 2: never by a matrix product, which loses small distances.
    return at::cdist(rows(queries.at("features")), rows(gallery.at("features")), 2.0, 2);
  }

  void require_maps(const at::Tensor& maps) const {
    const SpatialRecurrenceSize size = network_->metric_size();
    const std::vector<int64_t> expected{size.frames, size.height, size.width, size.channels};
    if (maps.dim() >= 5 && maps.sizes().slice(maps.dim() - 4).equals(expected)) return;
    throw common::InputError("maps", "have another shape than the network's",
                             "extract the features with the run that scores them");
  }

  // Of every query (row of `rows`) with the gallery rows that stand there; by_features likewise,
  // undefined with METRIC_ONLY.
  at::Tensor judged_distance(const at::Tensor& by_features, const Signature& queries,
                             const Signature& gallery, const at::Tensor& rows) const {
    const at::Tensor query_rows =
        at::arange(rows.size(0), rows.options()).unsqueeze(1).expand(rows.sizes());
    const at::Tensor log_same = log_probability(queries.at("maps"), gallery.at("maps"),
                                                {query_rows.reshape({-1}), rows.reshape({-1})})
                                    .view(rows.sizes());
    if (options_.ranking() == TamSrmOptions::METRIC_ONLY) return -log_same;
    const double lambda = options_.lambda();
    return (1 + lambda) - (1 / (1 + by_features) + lambda * log_same.exp());
  }

  // log M, [pairs]; M is the mean over variants, where there are some.
  at::Tensor log_probability(const at::Tensor& queries, const at::Tensor& gallery,
                             const ComparedRows& rows) const {
    const at::NoGradGuard no_gradients;
    const bool has_variants = queries.dim() == 6;
    const int64_t variants = has_variants ? queries.size(1) : 1;
    std::vector<at::Tensor> by_variant;
    for (int64_t variant = 0; variant < variants; ++variant) {
      const auto chosen = [&](const at::Tensor& maps) {
        return has_variants ? maps.select(1, variant) : maps;
      };
      by_variant.push_back(log_same(chosen(queries), chosen(gallery), rows));
    }
    return at::stack(by_variant).logsumexp(0) - std::log(static_cast<double>(variants));
  }

  at::Tensor log_same(const at::Tensor& queries, const at::Tensor& gallery,
                      const ComparedRows& rows) const {
    const ForwardContext evaluation;
    std::vector<at::Tensor> parts;
    const int64_t pairs = rows.queries.size(0);
    for (int64_t first = 0; first == 0 || first < pairs; first += kPairsAtOnce) {
      const int64_t count = std::min(kPairsAtOnce, pairs - first);
      const at::Tensor logits = network_->pair_logits(
          queries.index_select(0, rows.queries.narrow(0, first, count)),
          gallery.index_select(0, rows.gallery.narrow(0, first, count)), evaluation);
      parts.push_back(logits.log_softmax(1).select(1, 1));
    }
    return at::cat(parts);
  }

  const std::shared_ptr<TamSrmNetwork> network_;
  const TamSrmOptions options_;
};

void demand_of_tam_srm(bool holds, const std::string& field, double value,
                       const std::string& range) {
  demand_setting(holds, "model.tam_srm." + field, value, range);
}

void check_sizes(const TamSrmOptions& options) {
  const auto size = [](const std::string& field, int32_t value) {
    demand_of_tam_srm(value > 0 && value <= 65536, field, value, "in 1 to 65536");
  };
  demand_of_tam_srm(options.width() > 0 && options.width() <= 16, "width", options.width(),
                    "in (0, 16]");
  demand_of_tam_srm(
      options.input_size() >= CaffeNet::kSmallestInput && options.input_size() <= 2048,
      "input_size", options.input_size(), "in 67 to 2048");
  size("feature_size", options.feature_size());
  size("attention_size", options.attention_size());
  size("recurrent_size", options.recurrent_size());
  size("metric_channels", options.metric_channels());
  size("metric_hidden", options.metric_hidden());
  demand_of_tam_srm(options.frames() > 0 && options.frames() <= 1024, "frames", options.frames(),
                    "in 1 to 1024");
  demand_of_tam_srm(options.dropout() >= 0 && options.dropout() < 1, "dropout", options.dropout(),
                    "in [0, 1)");
  demand_of_tam_srm(options.lambda() >= 0 && std::isfinite(options.lambda()), "lambda",
                    options.lambda(), "a number of at least 0");
  demand_of_tam_srm(options.rerank() >= 0, "rerank", options.rerank(), "0 or more");
}

void refuse_idle_fields_of_tam_srm(const TamSrmOptions& options) {
  const auto idle = [&](std::initializer_list<const char*> fields, const std::string& because) {
    refuse_without_effect(options, "model.tam_srm", fields, because);
  };
  const auto feature = options.feature();
  const std::string is_feature = "feature is " + TamSrmOptions::Feature_Name(feature);
  if (feature != TamSrmOptions::ATTENTION) idle({"attention_size", "attend_to_cell"}, is_feature);
  if (feature == TamSrmOptions::MEAN) idle({"recurrent_size"}, is_feature);
  if (feature == TamSrmOptions::NO_FEATURE) idle({"feature_size", "recurrent_size"}, is_feature);
  if (options.pair_metric() == TamSrmOptions::NO_METRIC) {
    idle({"metric_channels", "metric_hidden", "frames"}, "pair_metric is NO_METRIC");
  }
  // A run that has them is ranked otherwise when they are set back to what they are by default.
  const auto idle_in_ranking = [&](const char* field) {
    refuse_without_effect(options, "model.tam_srm", {field},
                          "ranking is " + TamSrmOptions::Ranking_Name(options.ranking()),
                          "leave it out, or set it to its default");
  };
  const bool weighs = options.lambda() != TamSrmOptions::default_instance().lambda();
  if (options.ranking() != TamSrmOptions::JOINT && weighs) idle_in_ranking("lambda");
  const bool by_feature = options.ranking() == TamSrmOptions::FEATURE_ONLY;
  if (by_feature && options.rerank() > 0) idle_in_ranking("rerank");
}

void check_feature_layers(const TamSrmOptions& options, int64_t map_values) {
  const auto layer = [](const std::vector<std::string>& fields,
                        std::initializer_list<int64_t> sizes) {
    demand_layer_size("model.tam_srm", fields, sizes);
  };
  constexpr int64_t kLstmGates = 4;
  const int64_t features = options.feature_size(), recurrent = options.recurrent_size(),
                attention = options.attention_size();
  layer({"feature_size", "input_size", "width"}, {features, map_values});
  layer({"feature_size"}, {features, features});
  if (options.feature() == TamSrmOptions::MEAN) return;
  layer({"recurrent_size", "feature_size"}, {kLstmGates, recurrent, features});
  layer({"recurrent_size"}, {kLstmGates, recurrent, recurrent});
  if (options.feature() == TamSrmOptions::RECURRENT) return;
  layer({"attention_size", "feature_size"}, {attention, features});
  layer({"attention_size", "recurrent_size"}, {attention, recurrent});
}

void check_layers_of_tam_srm(const TamSrmOptions& options) {
  const int64_t side = CaffeNet::map_size(options.input_size()), places = side * side,
                channels = CaffeNet::map_channels(options.width());
  if (options.feature() != TamSrmOptions::NO_FEATURE) {
    check_feature_layers(options, channels * places);
  }
  if (options.pair_metric() == TamSrmOptions::NO_METRIC) return;
  const int64_t reduced = options.metric_channels();
  demand_layer_size("model.tam_srm", {"metric_channels", "width"}, {reduced, channels});
  if (options.pair_metric() == TamSrmOptions::SPATIAL_RECURRENT) {
    demand_layer_size("model.tam_srm", {"metric_channels"}, {6, reduced, reduced});
  }
  demand_layer_size("model.tam_srm", {"metric_hidden", "metric_channels", "frames", "input_size"},
                    {options.frames(), places, reduced, options.metric_hidden()});
}

// What is there suffices for the ranking.
void check_ranking(const TamSrmOptions& options) {
  const bool feature = options.feature() != TamSrmOptions::NO_FEATURE;
  const bool metric = options.pair_metric() != TamSrmOptions::NO_METRIC;
  const auto refuse = [](const std::string& field, const std::string& problem,
                         const std::string& remedy) {
    throw common::InputError("model.tam_srm." + field, problem, remedy);
  };
  if (!feature && !metric) {
    refuse("feature", "is NO_FEATURE and pair_metric is NO_METRIC: nothing is left to compare",
           "choose one of them");
  }
  const std::string ranking = TamSrmOptions::Ranking_Name(options.ranking());
  if (!feature && options.ranking() != TamSrmOptions::METRIC_ONLY) {
    refuse("ranking", ranking + " wants a feature, but feature is NO_FEATURE",
           "choose METRIC_ONLY");
  }
  if (!metric && options.ranking() != TamSrmOptions::FEATURE_ONLY) {
    refuse("ranking", ranking + " wants a metric, but pair_metric is NO_METRIC",
           "choose FEATURE_ONLY");
  }
  if (!feature && options.rerank() > 0) {
    refuse("rerank", "chooses candidates by features, but feature is NO_FEATURE", "choose 0");
  }
}

}  // namespace

std::unique_ptr<Model> create_tam_srm(const proto::Model& options, int64_t identities,
                                      uint64_t seed) {
  const TamSrmOptions& settings = options.tam_srm();
  check_sizes(settings);
  check_ranking(settings);
  refuse_idle_fields_of_tam_srm(settings);
  check_layers_of_tam_srm(settings);
  return std::make_unique<TamSrm>(std::make_shared<TamSrmNetwork>(settings, identities), settings,
                                  seed);
}

std::vector<AblationRow> tam_srm_rows() {
  const auto row = [](const char* name, const std::string& settings) {
    return AblationRow{name, "Table 2", "tam_srm { " + settings + "}"};
  };
  const std::string by_feature = "pair_metric: NO_METRIC ranking: FEATURE_ONLY ";
  const std::string by_metric = "feature: NO_FEATURE ranking: METRIC_ONLY ";
  return {row("CNN", "feature: MEAN " + by_feature),
          row("CNN+RNN", "feature: RECURRENT " + by_feature),
          row("CNN+TAM", by_feature),
          row("CNN+DIFF", "pair_metric: DIFFERENCE " + by_metric),
          row("CNN+SRM", by_metric),
          row("ALL", "")};
}

}  // namespace muster::models
