#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "common/error.h"
#include "models/losses/distances.h"
#include "models/model_catalog.h"
#include "models/tam_srm/network.h"
#include "tests/common/support.h"
#include "tests/models/accepted_settings.h"
#include "tests/models/naive_tam_srm.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

using common::contains;
using std::string_literals::operator""s;

// A sixteenth of the channels, 107 pixels (maps of 3x3), 3 frames, few units.
proto::Model small_tam_srm(const std::string& row = "tam_srm {}") {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(row, &options)) << row;
  proto::TamSrm& settings = *options.mutable_tam_srm();
  settings.set_width(0.0625);
  settings.set_input_size(107);
  settings.set_feature_size(8);
  settings.set_attention_size(5);
  settings.set_recurrent_size(6);
  settings.set_metric_channels(4);
  settings.set_metric_hidden(9);
  settings.set_frames(3);
  clear_fields_without_effect(options);
  return options;
}

// Values of the first layer fit pixels from 0 to 255.
std::unique_ptr<Model> random_tam_srm(const proto::Model& options, int64_t identities = 4) {
  auto model = create_tam_srm(options, identities, 1);
  model->to(at::kDouble);
  randomise_weights(weights_of(*model));
  return model;
}

ModelInput clips_of(int64_t clips, int64_t frames = 3, uint64_t key = 1) {
  ModelInput input;
  input.clips = 3 * normal_tensor({clips, frames, 3, 107, 107}, key);
  return input;
}

PairModel& pair_model(Model& model) { return dynamic_cast<PairModel&>(model); }

double error_of(const at::Tensor& measured, const naive::Values& expected) {
  EXPECT_EQ(measured.numel(), static_cast<int64_t>(expected.size()));
  return largest_difference(measured.flatten(), at::tensor(expected, at::kDouble));
}

// F of a clip by its row.
naive::Values expected_feature(const proto::TamSrm& options,
                               const std::vector<naive::Values>& frames,
                               const naive::Weights& weights) {
  switch (options.feature()) {
    case proto::TamSrm::RECURRENT:
      return naive::mean_over_steps(naive::lstm(frames, weights, "recurrent", false));
    case proto::TamSrm::ATTENTION:
      return naive::temporal_attention(frames, weights, "attention.", options.attend_to_cell())
          .feature;
    default:
      return naive::mean_over_steps(frames);
  }
}

TEST(TamSrmTest, EveryRowOfTableTwoEqualsPlainLoops) {
  for (const AblationRow& row : tam_srm_rows()) {
    SCOPED_TRACE(row.name);
    const proto::Model options = small_tam_srm(row.model);
    const auto model = random_tam_srm(options);
    const naive::Weights weights = naive::weights_of(weights_of(*model));
    const ModelInput input = clips_of(2);
    const ModelOutput output = model->forward(input, evaluation_context());
    std::vector<std::vector<naive::Maps>> maps(2);
    for (int64_t clip = 0; clip < 2; ++clip) {
      std::vector<naive::Values> frames;
      for (int64_t t = 0; t < 3; ++t) {
        maps[static_cast<size_t>(clip)].push_back(
            naive::caffenet_pool5(naive::maps_of(input.clips[clip][t]), weights, "backbone."));
        if (options.tam_srm().feature() != proto::TamSrm::NO_FEATURE) {
          frames.push_back(
              naive::caffenet_fc7(maps[static_cast<size_t>(clip)].back(), weights, "backbone."));
        }
      }
      if (frames.empty()) continue;
      const naive::Values feature = expected_feature(options.tam_srm(), frames, weights);
      EXPECT_LT(error_of(output.signature.at("features")[clip], feature), 1e-10);
      EXPECT_LT(error_of(output.logits.at("identity")[clip],
                         naive::linear(feature, weights, "classifier")),
                1e-10);
    }
    const auto metric = options.tam_srm().pair_metric();
    EXPECT_EQ(output.signature.count("maps"), metric == proto::TamSrm::NO_METRIC ? 0U : 1U);
    EXPECT_EQ(output.signature.count("features"),
              options.tam_srm().feature() == proto::TamSrm::NO_FEATURE ? 0U : 1U);
    if (metric == proto::TamSrm::NO_METRIC) continue;
    Signature turned;
    turned["maps"] = output.signature.at("maps").flip({0});
    const at::Tensor logits =
        pair_model(*model).pair_logits(output.signature, turned, evaluation_context());
    for (size_t pair = 0; pair < 2; ++pair) {
      EXPECT_LT(error_of(logits[static_cast<int64_t>(pair)],
                         naive::spatial_recurrence(maps[pair], maps[1 - pair], weights, "metric.",
                                                   metric == proto::TamSrm::SPATIAL_RECURRENT)),
                1e-10);
    }
  }
}

TEST(TamSrmTest, GradientsEqualFiniteDifferences) {
  const auto model = random_tam_srm(small_tam_srm());
  const ModelInput input = clips_of(2);
  expect_derivatives(model->parameters(), [&] {
    const ModelOutput output = model->forward(input, training_context({3, 4}));
    Signature other;
    other["maps"] = output.signature.at("maps").flip({0});
    const at::Tensor logits =
        pair_model(*model).pair_logits(output.signature, other, training_context({5, 6}));
    return (output.logits.at("identity") * normal_tensor({2, 4}, 5)).sum() +
           (logits * normal_tensor({2, 2}, 6)).sum();
  });
}

TEST(TamSrmTest, NoClipsGiveEmptyAnswers) {
  for (const AblationRow& row : tam_srm_rows()) {
    const auto model = random_tam_srm(small_tam_srm(row.model));
    const ModelOutput output = model->forward(clips_of(0), training_context({}));
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const auto& [name, value] : output.signature) {
      EXPECT_EQ(value.size(0), 0) << name;
      sum = sum + value.sum();
    }
    if (output.signature.count("maps") > 0) {
      const at::Tensor logits =
          pair_model(*model).pair_logits(output.signature, output.signature, training_context({}));
      EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{0, 2}));
      sum = sum + logits.sum();
    }
    sum.backward();
  }
}

TEST(TamSrmTest, APairMetricWantsItsNumberOfFrames) {
  const auto model = random_tam_srm(small_tam_srm());
  const std::string text = common::failure_text<common::InputError>(
      [&] { model->forward(clips_of(1, 2), evaluation_context()); });
  EXPECT_TRUE(contains(text, "has 2 frames")) << text;
  EXPECT_TRUE(contains(text, "exactly 3 (model.tam_srm.frames)")) << text;
  EXPECT_TRUE(contains(text, "extraction.fixed_length")) << text;
  // Features take any.
  const auto features = random_tam_srm(small_tam_srm(tam_srm_rows()[2].model));
  EXPECT_EQ(features->forward(clips_of(1, 2), evaluation_context()).signature.size(), 1U);
}

TEST(TamSrmTest, ImpossibleSettingsAreRefusedByName) {
  const auto refusal = [](const std::string& settings) {
    proto::Model options;
    EXPECT_TRUE(
        google::protobuf::TextFormat::ParseFromString("tam_srm { " + settings + " }", &options));
    return common::failure_text<common::InputError>([&] { create_tam_srm(options, 0, 1); });
  };
  for (const auto& [settings, field] : std::vector<std::pair<std::string, std::string>>{
           {"width: 0", "width"},
           {"input_size: 66", "input_size"},
           {"feature_size: 0", "feature_size"},
           {"attention_size: -1", "attention_size"},
           {"recurrent_size: 0", "recurrent_size"},
           {"metric_channels: 0", "metric_channels"},
           {"metric_hidden: 0", "metric_hidden"},
           {"frames: 0", "frames"},
           {"dropout: 1", "dropout"},
           {"lambda: -0.5", "lambda"},
           {"rerank: -1", "rerank"},
           {"feature: NO_FEATURE pair_metric: NO_METRIC", "feature"},
           {"feature: NO_FEATURE", "ranking"},
           {"pair_metric: NO_METRIC", "ranking"},
           {"pair_metric: NO_METRIC ranking: METRIC_ONLY", "ranking"},
           {"feature: NO_FEATURE ranking: FEATURE_ONLY", "ranking"},
           {"feature: NO_FEATURE ranking: METRIC_ONLY rerank: 5", "rerank"}}) {
    EXPECT_TRUE(contains(refusal(settings), "model.tam_srm." + field + ":"))
        << settings << refusal(settings);
  }
}

std::string refusal_of_tam_srm(const std::string& settings) {
  proto::Model options;
  EXPECT_TRUE(
      google::protobuf::TextFormat::ParseFromString("tam_srm { " + settings + " }", &options));
  return common::failure_text<common::InputError>([&] { create_tam_srm(options, 0, 1); });
}

TEST(TamSrmTest, SettingsWithoutEffectAreRefusedByName) {
  const std::string feature_alone = " pair_metric: NO_METRIC ranking: FEATURE_ONLY";
  const std::string metric_alone = " feature: NO_FEATURE ranking: METRIC_ONLY";
  for (const std::string& settings :
       {"lambda: 2 ranking: METRIC_ONLY"s, "lambda: 0.5 ranking: FEATURE_ONLY"s,
        "attention_size: 256 feature: MEAN"s, "attention_size: 5 feature: RECURRENT"s,
        "attend_to_cell: true feature: RECURRENT"s, "recurrent_size: 512 feature: MEAN"s,
        "recurrent_size: 6" + metric_alone, "feature_size: 8" + metric_alone,
        "attention_size: 5" + metric_alone, "metric_channels: 4" + feature_alone,
        "metric_hidden: 9" + feature_alone, "frames: 6" + feature_alone,
        "rerank: 2 ranking: FEATURE_ONLY"s}) {
    const std::string field = settings.substr(0, settings.find(':'));
    const std::string text = refusal_of_tam_srm(settings);
    EXPECT_TRUE(contains(text, "model.tam_srm." + field + ": has no effect")) << settings << text;
  }
}

// A run's settings can be set, but not taken away, when it is scored.
TEST(TamSrmTest, SettingsOfAnotherRankingMayBeSetToTheirDefaults) {
  proto::Model options = small_tam_srm("tam_srm { ranking: FEATURE_ONLY }");
  options.mutable_tam_srm()->set_lambda(1);
  options.mutable_tam_srm()->set_rerank(0);
  EXPECT_NO_THROW(create_tam_srm(options, 0, 1));
}

// Sizes that are allowed by themselves, whose product would not fit any memory.
TEST(TamSrmTest, LayersTooLargeAreRefusedByName) {
  const std::string metric_alone = " feature: NO_FEATURE ranking: METRIC_ONLY";
  for (const std::string& settings :
       {"feature_size: 65536"s, "feature_size: 32768 input_size: 2048 width: 16"s,
        "recurrent_size: 65536"s, "recurrent_size: 65536 feature: RECURRENT"s,
        "attention_size: 65536 feature_size: 40000"s, "metric_channels: 65536" + metric_alone,
        "metric_hidden: 65536 metric_channels: 4096 frames: 1024" + metric_alone}) {
    const std::string field = settings.substr(0, settings.find(':'));
    const std::string text = refusal_of_tam_srm(settings);
    EXPECT_TRUE(contains(text, "model.tam_srm." + field + ": ")) << settings << text;
    EXPECT_TRUE(contains(text, "more than 2147483648 weights")) << settings << text;
  }
}

TEST(TamSrmTest, FirstWeightsAreAFunctionOfTheSeed) {
  const NamedTensors first = create_tam_srm(small_tam_srm(), 4, 3)->parameters();
  const NamedTensors again = create_tam_srm(small_tam_srm(), 4, 3)->parameters();
  const NamedTensors other = create_tam_srm(small_tam_srm(), 4, 4)->parameters();
  for (size_t i = 0; i < first.size(); ++i) {
    const auto& [name, value] = first[i];
    EXPECT_TRUE(same_values(value, again[i].second)) << name;
    EXPECT_EQ(same_values(value, other[i].second), value.dim() == 1) << name;
    if (value.dim() == 1) {
      EXPECT_EQ(value.abs().max().item<double>(), 0) << name;
    }
  }
}

// 477750 -> "477,750".
std::string in_thousands(int64_t count) {
  std::string text = std::to_string(count);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

TEST(TamSrmTest, TheDocumentationSaysEveryRowWithItsParameters) {
  std::ifstream file(std::string(MUSTER_SOURCE_DIR) + "/docs/models.md");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(tam_srm_rows().size(), 6U);
  for (const AblationRow& row : tam_srm_rows()) {
    proto::Model options;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(row.model, &options));
    const TamSrmNetwork network(options.tam_srm(), 0);  // without first weights: they take seconds
    const std::string line = "| " + row.table + " | " + row.name + " | `" + row.model + "` | " +
                             in_thousands(element_count(tensors_of(network))) + " |";
    EXPECT_TRUE(contains(page, line)) << line;
  }
}

// ---- distance

struct Scene {
  Signature queries, gallery;
};

// 3 queries, 5 candidates, (variants,) under the small network's sizes.
Scene random_scene(int64_t variants = 0) {
  const auto signature = [&](int64_t rows, uint64_t key) {
    std::vector<int64_t> features{rows}, maps{rows};
    if (variants > 0) {
      features.push_back(variants);
      maps.push_back(variants);
    }
    features.push_back(6);
    maps.insert(maps.end(), {3, 3, 3, 4});
    return Signature{{"features", normal_tensor(features, key)},
                     {"maps", 3 * normal_tensor(maps, key + 1)}};
  };
  return {signature(3, 30), signature(5, 40)};
}

// d of features of unit length, after the mean over variants.
double feature_distance(const Scene& scene, int64_t query, int64_t candidate) {
  const auto unit = [](const at::Tensor& features) {
    const at::Tensor mean = features.dim() == 2 ? features.mean(0) : features;
    return mean / mean.norm();
  };
  return (unit(scene.queries.at("features")[query]) - unit(scene.gallery.at("features")[candidate]))
      .norm()
      .item<double>();
}

// M, the mean over variants.
double probability(Model& model, const Scene& scene, int64_t query, int64_t candidate) {
  const auto clips = [](const at::Tensor& maps) {
    return maps.dim() == 4 ? maps.unsqueeze(0) : maps;
  };
  const Signature left{{"maps", clips(scene.queries.at("maps")[query])}};
  const Signature right{{"maps", clips(scene.gallery.at("maps")[candidate])}};
  return pair_model(model)
      .pair_logits(left, right, evaluation_context())
      .softmax(1)
      .select(1, 1)
      .mean()
      .item<double>();
}

at::Tensor distances_of(const std::string& settings, const Scene& scene) {
  const at::NoGradGuard no_gradients;
  return random_tam_srm(small_tam_srm("tam_srm { " + settings + " }"))
      ->distance(scene.queries, scene.gallery);
}

TEST(TamSrmTest, DistancesAreThoseOfTheirRanking) {
  for (const int64_t variants : {0, 2}) {
    const Scene scene = random_scene(variants);
    const auto model = random_tam_srm(small_tam_srm());
    const at::Tensor joint = distances_of("", scene);
    const at::Tensor weighted = distances_of("lambda: 0.3", scene);
    const at::Tensor by_feature = distances_of("ranking: FEATURE_ONLY", scene);
    const at::Tensor by_metric = distances_of("ranking: METRIC_ONLY", scene);
    for (int64_t query = 0; query < 3; ++query) {
      for (int64_t item = 0; item < 5; ++item) {
        const double d = feature_distance(scene, query, item);
        const double m = probability(*model, scene, query, item);
        EXPECT_NEAR(joint[query][item].item<double>(), 2 - (1 / (1 + d) + m), 1e-12);
        EXPECT_NEAR(weighted[query][item].item<double>(), 1.3 - (1 / (1 + d) + 0.3 * m), 1e-12);
        EXPECT_NEAR(by_feature[query][item].item<double>(), d, 1e-12);
        EXPECT_NEAR(by_metric[query][item].item<double>(), -std::log(m), 1e-10);
      }
    }
  }
}

TEST(TamSrmTest, RerankingJudgesTheNearestAndKeepsThemAheadOfTheOthers) {
  const Scene scene = random_scene();
  for (const std::string ranking : {"JOINT", "METRIC_ONLY"}) {
    const at::Tensor all = distances_of("ranking: " + ranking, scene);
    const at::Tensor some = distances_of("rerank: 2 ranking: " + ranking, scene);
    for (int64_t query = 0; query < 3; ++query) {
      std::vector<std::pair<double, int64_t>> order;
      for (int64_t item = 0; item < 5; ++item) {
        order.emplace_back(feature_distance(scene, query, item), item);
      }
      std::sort(order.begin(), order.end());
      double worst = 0;
      for (size_t place = 0; place < 2; ++place) {
        const int64_t item = order[place].second;
        EXPECT_EQ(some[query][item].item<double>(), all[query][item].item<double>());
        worst = std::max(worst, all[query][item].item<double>());
      }
      for (size_t place = 2; place < 5; ++place) {
        EXPECT_NEAR(some[query][order[place].second].item<double>(), worst + order[place].first,
                    1e-12);
      }
    }
    EXPECT_TRUE(same_values(distances_of("rerank: 5 ranking: " + ranking, scene), all));
    EXPECT_TRUE(same_values(distances_of("rerank: 99 ranking: " + ranking, scene), all));
  }
}

TEST(TamSrmTest, OnlyRerankingWantsTheWholeGallery) {
  const auto wants = [](const std::string& settings) {
    return create_tam_srm(small_tam_srm("tam_srm { " + settings + " }"), 0, 1)
        ->wants_whole_gallery();
  };
  EXPECT_FALSE(wants(""));
  EXPECT_TRUE(wants("rerank: 1"));
  EXPECT_TRUE(wants("rerank: 1 ranking: METRIC_ONLY"));
  EXPECT_FALSE(wants("ranking: FEATURE_ONLY"));
}

TEST(TamSrmTest, ManyPairsGoThroughInParts) {
  // More than one part of 128 pairs, the last one not full.
  Scene scene = random_scene();
  const at::Tensor few = distances_of("", scene);
  for (auto& [name, value] : scene.gallery) {
    std::vector<int64_t> times(static_cast<size_t>(value.dim()), 1);
    times[0] = 60;
    value = value.repeat(times);
  }
  const at::Tensor many = distances_of("", scene);
  EXPECT_LT(largest_difference(many, few.repeat({1, 60})), 1e-12);
}

TEST(TamSrmTest, MapsOfAnotherNetworkAreRefused) {
  Scene scene = random_scene();
  scene.gallery["maps"] = normal_tensor({5, 2, 3, 3, 4}, 50);
  const std::string text =
      common::failure_text<common::InputError>([&] { distances_of("", scene); });
  EXPECT_TRUE(contains(text, "maps: have another shape")) << text;
}

}  // namespace
}  // namespace muster::models
