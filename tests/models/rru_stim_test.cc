// RRU + STIM as a whole: how the blocks hang together, signatures, distances, settings.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "common/error.h"
#include "models/backbones/inception_v3.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/accepted_settings.h"
#include "tests/models/naive_rru_stim.h"
#include "tests/models/support.h"

namespace muster::models::rru_stim_test {
namespace {

using naive_rru::NaiveWeights;
using proto::RruStim;

constexpr int64_t kIdentities = 5, kFeatures = 6, kSize = 107;  // maps of 2x2
constexpr double kWidth = 0.02;

proto::Model options_of(const std::string& settings) {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options)) << settings;
  return options;
}

// Float64 and tiny.
std::unique_ptr<Model> small_model(const std::string& settings = "", uint64_t seed = 1,
                                   int64_t identities = kIdentities) {
  proto::Model options = options_of("rru_stim { " + settings + " }");
  options.mutable_rru_stim()->set_width(kWidth);
  options.mutable_rru_stim()->set_input_size(kSize);
  options.mutable_rru_stim()->set_feature_size(kFeatures);
  clear_fields_without_effect(options);
  auto model = create_rru_stim(options, identities, seed);
  model->to(at::kDouble);
  return model;
}

ModelInput random_input(int64_t clips, int64_t frames, uint64_t key = 1) {
  ModelInput input;
  input.clips = normal_tensor({clips, frames, 3, kSize, kSize}, key);
  return input;
}

// Values in every bias, classifiers that say something, and running statistics of maps that occur:
// with others, values fade from layer to layer and faults with them.
void randomise(Model& model) {
  uint64_t key = 1000;
  for (const auto& [name, value] : model.parameters()) {
    const at::Tensor values = normal_tensor(value.sizes(), ++key);
    if (value.dim() == 1) value.detach().add_(0.3 * values);
    if (name == "classifier.output.weight" || name == "backbone.AuxLogits.fc.weight") {
      value.detach().copy_(values);
    }
  }
  for (const auto& [name, value] : model.buffers()) value.zero_();
  model.forward(random_input(4, 2, 99), training_context({1, 2, 3, 4}));
  for (const auto& [name, value] : model.buffers()) value.mul_(10);  // a tenth is what arrives
}

at::Tensor features_of(Model& model, const ModelInput& input,
                       const ForwardContext& context = evaluation_context()) {
  return model.forward(input, context).signature.at("features");
}

// The maps of the model's own weights in a backbone by itself.
struct Maps {
  at::Tensor middle;  // [clips, 768, ...], means over frames
  at::Tensor last;    // [frames, clips, places, channels]
  at::Tensor logits;  // of the means
};

Maps maps_of(const Model& model, const ModelInput& input,
             const ForwardContext& context = evaluation_context()) {
  InceptionV3 backbone(kWidth, kIdentities);
  backbone.to(at::kDouble);
  const NaiveWeights weights = naive_rru::naive_part(
      naive_rru::naive_weights(model.parameters(), model.buffers()), "backbone.");
  const at::NoGradGuard no_gradients;
  for (auto& item : backbone.named_parameters()) item.value().copy_(weights.at(item.key()));
  for (auto& item : backbone.named_buffers()) item.value().copy_(weights.at(item.key()));
  const int64_t clips = input.clips.size(0), frames = input.clips.size(1);
  const InceptionV3Maps all = backbone.forward(input.clips.flatten(0, 1), context);
  std::vector<at::Tensor> middle, last;
  for (int64_t t = 0; t < frames; ++t) {
    const at::Tensor of_frame = at::arange(clips) * frames + t;  // images of all clips
    middle.push_back(all.middle.index_select(0, of_frame));
    last.push_back(all.last.index_select(0, of_frame).flatten(2).transpose(1, 2));
  }
  Maps maps{at::stack(middle).mean(0), at::stack(last), {}};
  maps.logits = backbone.auxiliary_logits(maps.middle, evaluation_context());
  return maps;
}

NaiveWeights weights_of(const Model& model, const std::string& part) {
  return naive_rru::naive_part(naive_rru::naive_weights(model.parameters(), model.buffers()), part);
}

TEST(RruStimTest, TheFullModelHasTheParameterCountOfTheSpecification) {
  int64_t count = 0;
  for (const auto& [name, value] :
       create_rru_stim(options_of("rru_stim { }"), 0, 1)->parameters()) {
    count += value.numel();
  }
  EXPECT_EQ(count, 21785568 + 1049088 + 16384 + 524288 + 2294784);
}

TEST(RruStimTest, AClassifierAddsItsBlockAndTheAuxiliaryOne) {
  const auto count_of = [](int64_t identities) {
    int64_t count = 0;
    for (const auto& [name, value] :
         create_rru_stim(options_of("rru_stim { }"), identities, 1)->parameters()) {
      count += value.numel();
    }
    return count;
  };
  const int64_t block = (256 * 512 + 512) + 2 * 512 + (512 * 7 + 7);
  EXPECT_EQ(count_of(7) - count_of(0), block + 2557696 + 768 * 7 + 7);
}

TEST(RruStimTest, FullFeaturesAreStimOfRefinedMaps) {
  const auto model = small_model();
  randomise(*model);
  const ModelInput input = random_input(2, 3);
  const Maps maps = maps_of(*model, input);
  NaiveWeights refinement = weights_of(*model, "refinement."), stim = weights_of(*model, "stim.");
  at::Tensor refined =
      naive_rru::naive_refinement(refinement, RruStim::FULL_GATE, maps.last, false);
  EXPECT_GT(largest_difference(refined, maps.last), 1e-3);
  refined = refined.view({3, 2, 2, 2, refined.size(3)});
  EXPECT_LT(largest_difference(features_of(*model, input),
                               naive_rru::naive_integration(stim, refined, false)),
            1e-10);
}

TEST(RruStimTest, PooledFeaturesAreTheMeanOfRefinedMaps) {
  for (const std::string gate : {"UNREFINED", "SPATIAL_GATE", "CHANNEL_GATE", "APPEARANCE_GATE",
                                 "ORIGINAL_GATE", "FULL_GATE"}) {
    const auto model = small_model("integration: MEAN_POOLING refinement: " + gate);
    randomise(*model);
    const ModelInput input = random_input(2, 3);
    at::Tensor maps = maps_of(*model, input).last;
    if (gate != "UNREFINED") {
      RruStim::Refinement value = RruStim::UNREFINED;
      ASSERT_TRUE(RruStim::Refinement_Parse(gate, &value));
      NaiveWeights weights = weights_of(*model, "refinement.");
      maps = naive_rru::naive_refinement(weights, value, maps, false);
    }
    EXPECT_LT(largest_difference(features_of(*model, input), maps.mean(0).mean(1)), 1e-10) << gate;
  }
}

TEST(RruStimTest, RecurrentFeaturesAreTheMeanOfTheOutputsOfAnLstm) {
  const auto model = small_model("integration: LSTM_INTEGRATION refinement: UNREFINED");
  randomise(*model);
  const ModelInput input = random_input(2, 3);
  const at::Tensor vectors = maps_of(*model, input).last.mean(2);  // [frames, clips, channels]
  const NaiveWeights weights = weights_of(*model, "lstm.");
  at::Tensor hidden = at::zeros({2, kFeatures}, vectors.options()), cell = hidden, sum = hidden;
  for (int64_t t = 0; t < 3; ++t) {
    const std::vector<at::Tensor> gates =
        (at::linear(vectors[t], weights.at("weight_ih_l0"), weights.at("bias_ih_l0")) +
         at::linear(hidden, weights.at("weight_hh_l0"), weights.at("bias_hh_l0")))
            .chunk(4, 1);
    cell = at::sigmoid(gates[1]) * cell + at::sigmoid(gates[0]) * at::tanh(gates[2]);
    hidden = at::sigmoid(gates[3]) * at::tanh(cell);
    sum = sum + hidden;
  }
  EXPECT_LT(largest_difference(features_of(*model, input), sum / 3), 1e-10);
}

TEST(RruStimTest, LogitsAreOfTheFeaturesAndOfTheMeanMiddleMaps) {
  for (const bool relu : {false, true}) {
    const auto model = small_model(relu ? "relu_in_classifier: true" : "");
    randomise(*model);
    const ModelInput input = random_input(2, 3);
    const ModelOutput output = model->forward(input, evaluation_context());
    NaiveWeights classifier = weights_of(*model, "classifier.");
    EXPECT_LT(
        largest_difference(output.logits.at("identity"),
                           naive_rru::naive_classifier(classifier, output.signature.at("features"),
                                                       relu ? 0 : 0.1, false)),
        1e-10);
    const Maps maps = maps_of(*model, input);
    EXPECT_LT(largest_difference(output.logits.at("auxiliary"), maps.logits), 1e-10);
    EXPECT_LT(largest_difference(
                  maps.logits, naive_rru::naive_auxiliary(weights_of(*model, "backbone.AuxLogits."),
                                                          maps.middle)),
              1e-10);
    EXPECT_EQ(output.logits.size(), 2u);
  }
}

TEST(RruStimTest, PartsInTrainingAreMeansOfTheRowsOfRefinedMaps) {
  const auto model = small_model();
  randomise(*model);
  const ModelInput input = random_input(2, 3);
  const at::Tensor maps = maps_of(*model, input, training_context({1, 2})).last;
  NaiveWeights weights = weights_of(*model, "refinement.");
  const at::Tensor refined = naive_rru::naive_refinement(weights, RruStim::FULL_GATE, maps, true);
  const at::Tensor parts = model->forward(input, training_context({1, 2})).signature.at("parts");
  ASSERT_EQ(parts.sizes(), (std::vector<int64_t>{2, 2, maps.size(3)}));
  for (int64_t row = 0; row < 2; ++row) {
    const at::Tensor places = refined.narrow(2, 2 * row, 2);  // [frames, clips, 2, channels]
    EXPECT_LT(largest_difference(parts.select(1, row), places.mean(2).mean(0)), 1e-10) << row;
  }
}

TEST(RruStimTest, PartsAreNotWhatScoringWants) {
  EXPECT_TRUE(small_model()->scores("features"));
  EXPECT_FALSE(small_model()->scores("parts"));
}

TEST(RruStimTest, WithoutIdentitiesThereIsNoClassifier) {
  const auto model = small_model("", 1, 0);
  EXPECT_TRUE(model->forward(random_input(1, 1), evaluation_context()).logits.empty());
  for (const auto& [name, value] : model->parameters()) {
    EXPECT_EQ(name.find("AuxLogits"), std::string::npos) << name;
  }
}

TEST(RruStimTest, LongTrackletsPassTheBackboneInPortions) {
  const auto model = small_model("refinement: UNREFINED integration: MEAN_POOLING");
  const ModelInput input = random_input(1, 70);
  const ModelOutput whole = model->forward(input, evaluation_context());
  at::Tensor features, logits;
  for (int64_t half = 0; half < 2; ++half) {
    ModelInput part;
    part.clips = input.clips.narrow(1, 35 * half, 35);
    const at::Tensor own = features_of(*model, part) / 2;
    features = features.defined() ? features + own : own;
  }
  EXPECT_LT(largest_difference(whole.signature.at("features"), features), 1e-10);
  EXPECT_EQ(whole.logits.at("auxiliary").sizes(), (std::vector<int64_t>{1, kIdentities}));
}

TEST(RruStimTest, ClipsDoNotSeeEachOtherWhenNotTraining) {
  const auto model = small_model();
  const ModelInput input = random_input(3, 2);
  const at::Tensor together = features_of(*model, input);
  for (int64_t clip = 0; clip < 3; ++clip) {
    ModelInput one;
    one.clips = input.clips.narrow(0, clip, 1);
    EXPECT_LT(largest_difference(together.narrow(0, clip, 1), features_of(*model, one)), 1e-10);
  }
}

TEST(RruStimTest, WithoutClipsSpeaksEmptySignatures) {
  for (const std::string integration : {"STIM", "LSTM_INTEGRATION", "MEAN_POOLING"}) {
    const auto model = small_model("integration: " + integration);
    const ModelOutput output = model->forward(random_input(0, 3), evaluation_context());
    EXPECT_EQ(output.signature.at("features").size(0), 0) << integration;
    EXPECT_EQ(output.logits.at("identity").sizes(), (std::vector<int64_t>{0, kIdentities}));
    EXPECT_EQ(output.logits.at("auxiliary").sizes(), (std::vector<int64_t>{0, kIdentities}));
  }
}

// Its neighbour holds what this rank lacks.
class BusyNeighbour : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local + 4; }
  bool alone() const override { return false; }
};

TEST(RruStimTest, ARankWithoutClipsTrainsAlong) {
  for (const std::string integration : {"STIM", "LSTM_INTEGRATION", "MEAN_POOLING"}) {
    const auto model = small_model("integration: " + integration);
    BusyNeighbour statistics;
    ForwardContext context = training_context({});
    context.statistics = &statistics;
    const ModelOutput output = model->forward(random_input(0, 3), context);
    EXPECT_EQ(output.signature.at("parts").size(0), 0);
    (output.logits.at("identity").sum() + output.logits.at("auxiliary").sum() +
     output.signature.at("parts").sum())
        .backward();
    for (const auto& [name, value] : model->parameters()) {
      if (!value.grad().defined()) continue;
      EXPECT_TRUE(same_values(value.grad(), at::zeros_like(value))) << integration << name;
    }
  }
}

TEST(RruStimTest, EveryRowOfTheTableTrainsAStep) {
  proto::Model options;
  options.mutable_rru_stim();
  const std::vector<AblationRow>& rows = model_entry(options).rows;
  ASSERT_EQ(rows.size(), 12u);
  std::set<std::string> names;
  for (const AblationRow& row : rows) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    proto::Model settings = options_of(row.model);
    settings.mutable_rru_stim()->set_width(kWidth);
    settings.mutable_rru_stim()->set_input_size(kSize);
    const auto model = create_rru_stim(settings, kIdentities, 1);
    ModelInput input = random_input(2, 3);
    input.clips = input.clips.to(at::kFloat);
    const ModelOutput output = model->forward(input, training_context({1, 2}));
    at::Tensor loss = output.signature.at("features").pow(2).sum();
    for (const auto& [head, logits] : output.logits) loss = loss + logits.pow(2).sum();
    loss.backward();
    for (const auto& [name, value] : model->parameters()) {
      ASSERT_TRUE(value.grad().defined()) << row.name << " " << name;
      EXPECT_TRUE(value.grad().isfinite().all().item<bool>()) << row.name << " " << name;
    }
  }
}

TEST(RruStimTest, GradientOfTheWholeEqualsFiniteDifferences) {
  const auto model = small_model("dropout: 0.3");
  randomise(*model);
  const ModelInput input = random_input(2, 3);
  const auto loss = [&] {
    const ModelOutput output = model->forward(input, training_context({1, 2}));
    return (output.logits.at("identity") * normal_tensor({2, kIdentities}, 70)).sum() +
           (output.logits.at("auxiliary") * normal_tensor({2, kIdentities}, 71)).sum() +
           output.signature.at("parts").pow(2).sum() / 2;
  };
  loss().backward();
  for (const auto& [name, value] : model->parameters()) {
    if (name.compare(0, 15, "backbone.Mixed_") == 0 ||
        name.compare(0, 15, "backbone.Conv2d") == 0) {
      continue;
    }
    const int64_t index = value.numel() / 2;
    const double analytic = value.grad().flatten()[index].item<double>();
    const double numeric =
        numeric_derivative(value.detach(), index, [&] { return loss().item<double>(); });
    EXPECT_NEAR(analytic, numeric, 1e-6 * std::max(1.0, std::abs(numeric))) << name;
  }
}

TEST(RruStimTest, AsksForSquareFramesBetweenMinusOneAndOne) {
  const InputFormat format =
      create_rru_stim(options_of("rru_stim { width: 0.01 }"), 0, 1)->input_format();
  EXPECT_EQ(format.resize_height, 299);
  EXPECT_EQ(format.crop_width, 299);
  EXPECT_FALSE(format.flow);
  EXPECT_EQ(format.colour, InputColour::kRgb);
  EXPECT_EQ(format.interpolation, InputInterpolation::kBicubic);
  EXPECT_TRUE(format.fixed_normalisation);
  EXPECT_EQ(format.mean[1], 0.5f);
  EXPECT_EQ(format.deviation[2], 0.5f);
}

TEST(RruStimTest, RefusesFramesOfAnotherSize) {
  ModelInput input;
  input.clips = normal_tensor({1, 1, 3, kSize, kSize + 1}, 1);
  EXPECT_THROW(features_of(*small_model(), input), common::RequirementError);
}

TEST(RruStimTest, FirstWeightsAreAFunctionOfTheSeed) {
  const NamedTensors first = small_model("", 3)->parameters();
  const NamedTensors again = small_model("", 3)->parameters();
  const NamedTensors other = small_model("", 4)->parameters();
  for (size_t i = 0; i < first.size(); ++i) {
    const auto& [name, value] = first[i];
    EXPECT_TRUE(same_values(value, again[i].second)) << name;
    EXPECT_EQ(same_values(value, other[i].second), value.dim() == 1) << name;
    if (value.dim() > 1) continue;
    const bool scale =
        name.find("bn") != std::string::npos && name.find("weight") != std::string::npos;
    EXPECT_TRUE(same_values(value, scale ? at::ones_like(value) : at::zeros_like(value))) << name;
  }
}

// He's normal of what comes in, in all layers that have enough weights to tell: 4000 give the
// deviation to 1.1 %.
TEST(RruStimTest, OtherLayersStartWithTheDeviationOfTheirInputs) {
  int unequal = 0;
  const auto model = create_rru_stim(options_of("rru_stim { width: 0.25 }"), 100, 1);
  for (const auto& [name, value] : model->parameters()) {
    if (name == "classifier.output.weight" || name == "backbone.AuxLogits.fc.weight") continue;
    if (value.dim() == 1 || value.numel() < 4000) continue;
    const double inputs = static_cast<double>(value.numel()) / static_cast<double>(value.size(0));
    EXPECT_NEAR(value.std().item<double>() / std::sqrt(2 / inputs), 1, 0.05) << name;
    const double ratio = static_cast<double>(value.size(0)) / static_cast<double>(value.size(1));
    unequal += ratio < 0.8 || ratio > 1.25;
  }
  EXPECT_GT(unequal, 30);
}

TEST(RruStimTest, LayersToTheIdentitiesStartSmall) {
  const NamedTensors parameters =
      create_rru_stim(options_of("rru_stim { width: 0.25 }"), 100, 1)->parameters();
  for (const auto& [name, value] : parameters) {
    if (name != "classifier.output.weight" && name != "backbone.AuxLogits.fc.weight") continue;
    EXPECT_NEAR(value.std().item<double>(), 0.001, 5e-5) << name;
  }
}

at::Tensor distances(const at::Tensor& queries, const at::Tensor& gallery) {
  return small_model()->distance({{"features", queries}}, {{"features", gallery}});
}

TEST(RruStimTest, DistanceIsEuclideanOfNormalisedFeatures) {
  const at::Tensor queries = normal_tensor({2, 6}, 1), gallery = normal_tensor({3, 6}, 2);
  const at::Tensor table = distances(queries, gallery);
  ASSERT_EQ(table.sizes(), (std::vector<int64_t>{2, 3}));
  for (int64_t query = 0; query < 2; ++query) {
    for (int64_t item = 0; item < 3; ++item) {
      const at::Tensor difference =
          queries[query] / queries[query].norm() - gallery[item] / gallery[item].norm();
      EXPECT_NEAR(table[query][item].item<double>(), difference.norm().item<double>(), 1e-12);
    }
  }
}

TEST(RruStimTest, VariantsAreAveragedBeforeTheyAreNormalised) {
  const at::Tensor queries = normal_tensor({2, 4, 6}, 1), gallery = normal_tensor({3, 4, 6}, 2);
  EXPECT_LT(
      largest_difference(distances(queries, gallery), distances(queries.mean(1), gallery.mean(1))),
      1e-12);
}

TEST(RruStimTest, DistanceOfNothingIsFinite) {
  const at::Tensor nothing = at::zeros({1, 6}, at::TensorOptions(at::kDouble));
  EXPECT_EQ(distances(nothing, nothing).item<double>(), 0);
  EXPECT_NEAR(distances(nothing, normal_tensor({1, 6}, 1)).item<double>(), 1, 1e-12);
}

TEST(RruStimTest, RefusesSettingsOutOfRangeByName) {
  const auto refusal = [](const std::string& settings) {
    return common::failure_text<common::InputError>(
        [&] { create_rru_stim(options_of("rru_stim { " + settings + " }"), 3, 1); });
  };
  EXPECT_TRUE(common::contains(refusal("width: 0"), "model.rru_stim.width"));
  EXPECT_TRUE(common::contains(refusal("width: 17"), "model.rru_stim.width"));
  EXPECT_TRUE(common::contains(refusal("width: nan"), "model.rru_stim.width"));
  EXPECT_TRUE(common::contains(refusal("input_size: 74"), "model.rru_stim.input_size"));
  EXPECT_TRUE(common::contains(refusal("feature_size: 0"), "model.rru_stim.feature_size"));
  EXPECT_TRUE(common::contains(refusal("dropout: 1"), "model.rru_stim.dropout"));
}

TEST(RruStimTest, RefusesAFeatureSizeWithoutEffect) {
  const std::string text = common::failure_text<common::InputError>([] {
    create_rru_stim(options_of("rru_stim { integration: MEAN_POOLING feature_size: 256 }"), 3, 1);
  });
  EXPECT_TRUE(common::contains(text, "model.rru_stim.feature_size: has no effect")) << text;
}

// Sizes that are allowed by themselves, whose product would not fit any memory.
TEST(RruStimTest, RefusesLayersTooLargeByName) {
  for (const std::string settings :
       {"feature_size: 8919", "feature_size: 23171 integration: LSTM_INTEGRATION",
        "feature_size: 16385 width: 16 integration: LSTM_INTEGRATION"}) {
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_rru_stim(options_of("rru_stim { " + settings + " }"), 3, 1); });
    EXPECT_TRUE(common::contains(text, "model.rru_stim.feature_size: ")) << text;
    EXPECT_TRUE(common::contains(text, "more than 2147483648 weights")) << text;
  }
}

// In float32 the squares of these overflow.
TEST(RruStimTest, HugeFeaturesAreOfUnitLengthToo) {
  const at::Tensor features = normal_tensor({2, 6}, 1, at::kFloat);
  EXPECT_LT(largest_difference(distances(1e25 * features, 1e25 * features.flip(0)),
                               distances(features, features.flip(0))),
            1e-5);
}

}  // namespace
}  // namespace muster::models::rru_stim_test
