#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/layers/tanh_recurrence.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/colour_flow_support.h"
#include "tests/models/naive_stsrn.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

proto::Model stsrn_options(double width, int features, double dropout = 0.6) {
  proto::Model options;
  options.mutable_stsrn()->set_width(width);
  options.mutable_stsrn()->set_features(features);
  options.mutable_stsrn()->set_dropout(dropout);
  return options;
}

// Filters 4, 8, 8, sixteen features, seven identities, float64.
std::unique_ptr<Model> small_model(uint64_t seed = 1, double dropout = 0.6) {
  auto model = create_stsrn(stsrn_options(0.25, 16, dropout), 7, seed);
  model->to(at::kDouble);
  return model;
}

int64_t convolution_size(int64_t in, int64_t out, int64_t kernel) {
  return in * out * kernel * kernel + out;
}

int64_t residual_size(int64_t in, int64_t out) {
  return 2 * convolution_size(in, out, 5) + convolution_size(out, out, 3);
}

TEST(StsrnTest, TheFullModelHasTheDerivedParameterCount) {
  EXPECT_EQ(parameter_count(*create_stsrn(stsrn_options(1, 128), 150, 1)), 477750);
}

// Counts of the specification, at 150 identities.
TEST(StsrnTest, StructuresHaveTheDerivedParameterCounts) {
  const auto count = [](const std::string& structure) {
    const proto::Model options = parsed_model("stsrn { structure: " + structure +
                                              " temporal_residual: false synergy: false }");
    return parameter_count(*create_stsrn(options, 150, 1));
  };
  EXPECT_EQ(count("BASE"), 420662);
  EXPECT_EQ(count("SINGLE_RESIDUAL"), 455542);
  EXPECT_EQ(count("DOUBLE_RESIDUAL"), 477622);
  EXPECT_EQ(count("TRIPLE_RESIDUAL"), 615958);
  EXPECT_EQ(count("DOUBLE_PLAIN_RESIDUAL"), 230806);
}

TEST(StsrnTest, FigureThreeBAddsNoParameters) {
  EXPECT_EQ(
      parameter_count(*create_stsrn(parsed_model("stsrn { activation_in_block: true }"), 150, 1)),
      477750);
}

// Weight files know layers by these names.
TEST(StsrnTest, WeightsHaveLastingNames) {
  std::vector<std::string> names;
  for (const auto& [name, value] : weights_of(*small_model())) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"synergy",
                                             "conv.weight",
                                             "conv.bias",
                                             "residual1.main1.weight",
                                             "residual1.main1.bias",
                                             "residual1.main2.weight",
                                             "residual1.main2.bias",
                                             "residual1.shortcut.weight",
                                             "residual1.shortcut.bias",
                                             "residual2.main1.weight",
                                             "residual2.main1.bias",
                                             "residual2.main2.weight",
                                             "residual2.main2.bias",
                                             "residual2.shortcut.weight",
                                             "residual2.shortcut.bias",
                                             "features.weight",
                                             "features.bias",
                                             "input_to_hidden.weight",
                                             "input_to_hidden.bias",
                                             "hidden_to_hidden.weight",
                                             "hidden_to_hidden.bias",
                                             "classifier.weight",
                                             "classifier.bias"}));
}

TEST(StsrnTest, WithoutIdentitiesThereIsNoClassifier) {
  const auto model = create_stsrn(stsrn_options(1, 128), 0, 1);
  EXPECT_EQ(parameter_count(*model), 477750 - (128 * 150 + 150));
  EXPECT_TRUE(model->forward(random_input(1, 1, at::kFloat), evaluation_context()).logits.empty());
}

TEST(StsrnTest, WidthScalesEveryFilter) {
  const int64_t expected = convolution_size(5, 4, 5) + residual_size(4, 8) + residual_size(8, 8) +
                           (8 * 10 * 8 * 16 + 16) + 2 * (16 * 16 + 16) + 16 + (16 * 7 + 7);
  EXPECT_EQ(parameter_count(*small_model()), expected);
}

TEST(StsrnTest, AsksForCroppedFramesWithFlow) {
  const InputFormat format = small_model()->input_format();
  EXPECT_EQ(format.resize_height, 64);
  EXPECT_EQ(format.resize_width, 48);
  EXPECT_EQ(format.crop_height, 56);
  EXPECT_EQ(format.crop_width, 40);
  EXPECT_TRUE(format.flow);
}

TEST(StsrnTest, SpeaksOneVectorPerClip) {
  const auto model = small_model();
  const ModelOutput output = model->forward(random_input(3, 2), evaluation_context());
  EXPECT_EQ(output.signature.size(), 1u);
  EXPECT_EQ(output.signature.at("features").sizes(), (std::vector<int64_t>{3, 16}));
  EXPECT_EQ(output.logits.at("identity").sizes(), (std::vector<int64_t>{3, 7}));
}

TEST(StsrnTest, ForwardEqualsTheSpecificationInPlainLoops) {
  const auto model = small_model();
  randomise_vectors(*model);
  const ModelInput input = random_input(2, 3);
  const ModelOutput output = model->forward(input, evaluation_context());
  const NaiveStsrnOutput naive = naive_stsrn(model->parameters(), input);
  EXPECT_LT(largest_difference(output.signature.at("features"), naive.features), 1e-11);
  EXPECT_LT(largest_difference(output.logits.at("identity"), naive.identity_logits), 1e-11);
}

// Every structure, switch and block of Tables 5 and 6 and Figure 3b.
const char* const kVariants[] = {
    "structure: BASE",
    "structure: SINGLE_RESIDUAL",
    "structure: TRIPLE_RESIDUAL",
    "structure: DOUBLE_PLAIN_RESIDUAL",
    "structure: BASE synergy: false",
    "structure: BASE synergy: false temporal_residual: false",
    "structure: DOUBLE_RESIDUAL synergy: false",
    "structure: DOUBLE_RESIDUAL temporal_residual: false",
    "structure: DOUBLE_RESIDUAL synergy: false temporal_residual: false",
    "structure: SINGLE_RESIDUAL activation_in_block: true",
    "structure: DOUBLE_RESIDUAL activation_in_block: true",
    "structure: TRIPLE_RESIDUAL activation_in_block: true",
};

proto::Model variant(const std::string& settings) {
  return parsed_model("stsrn { width: 0.125 features: 6 " + settings + " }");
}

TEST(StsrnTest, EveryVariantEqualsTheSpecificationInPlainLoops) {
  for (const char* settings : kVariants) {
    const proto::Model options = variant(settings);
    const auto model = create_stsrn(options, 3, 1);
    model->to(at::kDouble);
    randomise_vectors(*model);
    const ModelInput input = random_input(1, 3);
    const ModelOutput output = model->forward(input, evaluation_context());
    const NaiveStsrnOutput naive = naive_stsrn(model->parameters(), input, options.stsrn());
    EXPECT_LT(largest_difference(output.signature.at("features"), naive.features), 1e-11)
        << settings;
    EXPECT_LT(largest_difference(output.logits.at("identity"), naive.identity_logits), 1e-11)
        << settings;
  }
}

TEST(StsrnTest, GradientsOfEveryVariantEqualFiniteDifferences) {
  for (const char* settings : kVariants) {
    const auto model = create_stsrn(variant(settings), 3, 1);
    model->to(at::kDouble);
    randomise_vectors(*model);
    expect_gradients_by_finite_differences(*model, random_input(1, 2), training_context({3}));
  }
}

TEST(StsrnTest, EveryVariantTakesNoClips) {
  for (const char* settings : kVariants) {
    const auto model = create_stsrn(variant(settings), 3, 1);
    const ModelOutput output = model->forward(random_input(0, 2, at::kFloat), training_context({}));
    EXPECT_EQ(output.signature.at("features").sizes(), (std::vector<int64_t>{0, 6})) << settings;
    (output.signature.at("features").sum() + output.logits.at("identity").sum()).backward();
  }
}

TEST(StsrnTest, OneFrameIsEnough) {
  const auto model = small_model();
  randomise_vectors(*model);
  const ModelInput input = random_input(2, 1);
  EXPECT_LT(largest_difference(features_of(*model, input),
                               naive_stsrn(model->parameters(), input).features),
            1e-11);
  features_of(*model, input, training_context({1, 2})).sum().backward();
}

TEST(StsrnTest, RefusesAnActivationWhereNoBlockHasOne) {
  for (const char* structure : {"BASE", "DOUBLE_PLAIN_RESIDUAL"}) {
    const std::string text = common::failure_text<common::InputError>([&] {
      create_stsrn(variant(std::string("activation_in_block: true structure: ") + structure), 3, 1);
    });
    EXPECT_TRUE(common::contains(text, "model.stsrn.activation_in_block")) << text;
    EXPECT_TRUE(common::contains(text, structure)) << text;
  }
}

TEST(StsrnTest, Float32EqualsTheSpecificationToItsPrecision) {
  const auto model = create_stsrn(stsrn_options(0.25, 16), 7, 1);
  const ModelInput input = random_input(1, 2, at::kFloat);
  const NaiveStsrnOutput naive = naive_stsrn(model->parameters(), input);
  EXPECT_LT(largest_difference(features_of(*model, input), naive.features), 1e-5);
}

TEST(StsrnTest, ClipsDoNotSeeEachOther) {
  const auto model = small_model();
  const ModelInput input = random_input(3, 2);
  const at::Tensor together = features_of(*model, input);
  for (int64_t clip = 0; clip < 3; ++clip) {
    const at::Tensor alone = features_of(*model, clip_of(input, clip));
    EXPECT_LT(largest_difference(together.narrow(0, clip, 1), alone), 1e-13);
  }
}

TEST(StsrnTest, ClipsDoNotSeeEachOtherInTraining) {
  const auto model = small_model();
  const ModelInput input = random_input(3, 2);
  const at::Tensor together = features_of(*model, input, training_context({7, 8, 9}));
  for (int64_t clip = 0; clip < 3; ++clip) {
    const auto context = training_context({7 + static_cast<uint64_t>(clip)});
    const at::Tensor alone = features_of(*model, clip_of(input, clip), context);
    EXPECT_LT(largest_difference(together.narrow(0, clip, 1), alone), 1e-13);
  }
}

TEST(StsrnTest, FrameOrderMatters) {
  const auto model = small_model();
  ModelInput input = random_input(1, 3);
  const at::Tensor forwards = features_of(*model, input);
  input.clips = input.clips.flip(1);
  input.flow = input.flow.flip(1);
  EXPECT_GT(largest_difference(forwards, features_of(*model, input)), 1e-3);
}

TEST(StsrnTest, FlowMatters) {
  const auto model = small_model();
  ModelInput input = random_input(1, 2);
  const at::Tensor with_flow = features_of(*model, input);
  input.flow = at::zeros_like(input.flow);
  EXPECT_GT(largest_difference(with_flow, features_of(*model, input)), 1e-3);
}

TEST(StsrnTest, EvaluationHasNoChance) {
  const auto model = small_model();
  const ModelInput input = random_input(2, 2);
  EXPECT_TRUE(same_values(features_of(*model, input), features_of(*model, input)));
}

TEST(StsrnTest, DropoutActsInTraining) {
  const auto model = small_model();
  const ModelInput input = random_input(1, 2);
  EXPECT_GT(largest_difference(features_of(*model, input),
                               features_of(*model, input, training_context({5}))),
            1e-3);
}

// Features that are the same whatever is dropped before them leave the states' dropout to be seen.
TEST(StsrnTest, StatesOfTheRecurrentNetAreDroppedByTheKeyedMasks) {
  const auto model = small_model();
  randomise_vectors(*model);
  for (const auto& [name, value] : model->parameters()) {
    if (name == "features.weight") value.detach().zero_();
  }
  const ModelInput input = random_input(2, 4);
  const ForwardContext context = training_context({5, 6});
  const at::Tensor masks = recurrent_masks(at::zeros({2, 4, 16}, at::kDouble), 0.6, context);
  const at::Tensor features = features_of(*model, input, context);
  EXPECT_LT(largest_difference(
                features, naive_stsrn(model->parameters(), input, proto::Stsrn(), masks).features),
            1e-11);
  EXPECT_GT(largest_difference(features, features_of(*model, input)), 1e-3);
}

TEST(StsrnTest, DropoutIsAFunctionOfTheClipKey) {
  const auto model = small_model();
  const ModelInput input = random_input(1, 2);
  const at::Tensor first = features_of(*model, input, training_context({5}));
  EXPECT_TRUE(same_values(first, features_of(*model, input, training_context({5}))));
  EXPECT_FALSE(same_values(first, features_of(*model, input, training_context({6}))));
}

TEST(StsrnTest, WithoutDropoutTrainingIsEvaluation) {
  const auto model = small_model(1, 0);
  const ModelInput input = random_input(2, 2);
  EXPECT_TRUE(same_values(features_of(*model, input),
                          features_of(*model, input, training_context({5, 6}))));
}

TEST(StsrnTest, TrainingDemandsAKeyPerClip) {
  const auto model = small_model();
  EXPECT_THROW(features_of(*model, random_input(2, 1), training_context({5})),
               common::RequirementError);
}

TEST(StsrnTest, WithoutClipsSpeaksEmptySignatures) {
  const auto model = small_model();
  const ModelOutput output = model->forward(random_input(0, 3), training_context({}));
  EXPECT_EQ(output.signature.at("features").sizes(), (std::vector<int64_t>{0, 16}));
  EXPECT_EQ(output.logits.at("identity").sizes(), (std::vector<int64_t>{0, 7}));
}

TEST(StsrnTest, WithoutClipsEveryGradientIsZeroOrUndefined) {
  const auto model = small_model();
  const ModelOutput output = model->forward(random_input(0, 3), training_context({}));
  (output.signature.at("features").sum() + output.logits.at("identity").sum()).backward();
  for (const auto& [name, value] : model->parameters()) {
    if (!value.grad().defined()) continue;
    EXPECT_TRUE(same_values(value.grad(), at::zeros_like(value))) << name;
  }
}

TEST(StsrnTest, EveryParameterGetsAGradient) {
  const auto model = small_model();
  const ModelOutput output = model->forward(random_input(2, 3), training_context({1, 2}));
  output.logits.at("identity").pow(2).sum().backward();
  for (const auto& [name, value] : model->parameters()) {
    ASSERT_TRUE(value.grad().defined()) << name;
    EXPECT_GT(value.grad().norm().item<double>(), 0) << name;
  }
}

TEST(StsrnTest, GradientEqualsFiniteDifferences) {
  const auto model = small_model();
  randomise_vectors(*model);
  expect_gradients_by_finite_differences(*model, random_input(2, 3), training_context({3, 4}));
}

TEST(StsrnTest, FirstWeightsAreAFunctionOfTheSeed) {
  const NamedTensors first = small_model(3)->parameters();
  const NamedTensors again = small_model(3)->parameters();
  const NamedTensors other = small_model(4)->parameters();
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].first, again[i].first);
    EXPECT_TRUE(same_values(first[i].second, again[i].second));
    const bool is_weight = first[i].second.dim() >= 2;
    EXPECT_EQ(same_values(first[i].second, other[i].second), !is_weight) << first[i].first;
  }
}

TEST(StsrnTest, BiasesAndSynergyStartAtZero) {
  for (const auto& [name, value] : small_model()->parameters()) {
    if (value.dim() != 1) continue;
    EXPECT_TRUE(same_values(value, at::zeros_like(value))) << name;
  }
}

TEST(StsrnTest, ConversionReachesTensorsHandedOutBefore) {
  const auto model = create_stsrn(stsrn_options(0.25, 16), 7, 1);
  const NamedTensors before = model->parameters();
  model->to(at::kDouble);
  for (const auto& [name, value] : before) EXPECT_EQ(value.scalar_type(), at::kDouble) << name;
  EXPECT_EQ(features_of(*model, random_input(1, 1)).scalar_type(), at::kDouble);
}

TEST(StsrnTest, ParametersAreTheModelsOwn) {
  const auto model = small_model();
  for (const auto& [name, value] : model->parameters()) value.detach().zero_();
  const at::Tensor features = features_of(*model, random_input(1, 2));
  EXPECT_TRUE(same_values(features, at::zeros_like(features)));
}

Signature signature_of(const at::Tensor& features) { return {{"features", features}}; }

TEST(StsrnTest, DistanceIsEuclidean) {
  const at::Tensor queries = normal_tensor({2, 16}, 1), gallery = normal_tensor({3, 16}, 2);
  const at::Tensor distances =
      small_model()->distance(signature_of(queries), signature_of(gallery));
  ASSERT_EQ(distances.sizes(), (std::vector<int64_t>{2, 3}));
  for (int64_t query = 0; query < 2; ++query) {
    for (int64_t item = 0; item < 3; ++item) {
      const double expected = (queries[query] - gallery[item]).norm().item<double>();
      EXPECT_NEAR(distances[query][item].item<double>(), expected, 1e-12);
    }
  }
}

TEST(StsrnTest, DistancesOfVariantsAdd) {
  const at::Tensor queries = normal_tensor({2, 4, 16}, 1), gallery = normal_tensor({3, 4, 16}, 2);
  const at::Tensor distances =
      small_model()->distance(signature_of(queries), signature_of(gallery));
  ASSERT_EQ(distances.sizes(), (std::vector<int64_t>{2, 3}));
  for (int64_t query = 0; query < 2; ++query) {
    for (int64_t item = 0; item < 3; ++item) {
      double expected = 0;
      for (int64_t variant = 0; variant < 4; ++variant) {
        expected += (queries[query][variant] - gallery[item][variant]).norm().item<double>();
      }
      EXPECT_NEAR(distances[query][item].item<double>(), expected, 1e-12);
    }
  }
}

// A large table must not be computed in a way that loses small distances.
TEST(StsrnTest, DistanceToItselfIsZeroInALargeTable) {
  const at::Tensor features = normal_tensor({40, 16}, 3, at::kFloat) + 10;
  const at::Tensor distances =
      small_model()->distance(signature_of(features), signature_of(features));
  EXPECT_EQ(distances.diagonal().max().item<double>(), 0);
}

TEST(StsrnTest, RefusesSettingsOutOfRangeByName) {
  const auto refusal = [](double width, int features, double dropout) {
    return common::failure_text<common::InputError>(
        [&] { create_stsrn(stsrn_options(width, features, dropout), 7, 1); });
  };
  EXPECT_TRUE(common::contains(refusal(0, 16, 0.5), "model.stsrn.width"));
  EXPECT_TRUE(common::contains(refusal(1, 0, 0.5), "model.stsrn.features"));
  EXPECT_TRUE(common::contains(refusal(1, 16, 1), "model.stsrn.dropout"));
  EXPECT_TRUE(common::contains(refusal(1, 16, -0.1), "model.stsrn.dropout"));
  EXPECT_TRUE(common::contains(refusal(std::nan(""), 16, 0.5), "model.stsrn.width"));
  // Allowed by themselves, but not the layers that they make.
  EXPECT_TRUE(common::contains(refusal(1, 46341, 0.5), "model.stsrn.features: makes a layer of"));
  EXPECT_TRUE(common::contains(refusal(16, 46340, 0.5), "model.stsrn.features: with width makes"));
}

}  // namespace
}  // namespace muster::models
