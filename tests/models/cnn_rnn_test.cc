#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/layers/tanh_recurrence.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/colour_flow_support.h"
#include "tests/models/naive_cnn_rnn.h"

namespace muster::models {
namespace {

// Filters 2, 4, 4, six features, three identities, float64.
std::unique_ptr<Model> small_cnn_rnn(const std::string& settings = "") {
  auto model =
      create_cnn_rnn(parsed_model("cnn_rnn { width: 0.125 features: 6 " + settings + " }"), 3, 1);
  model->to(at::kDouble);
  return model;
}

// 404,150 of the specification, and 128 of the start.
TEST(CnnRnnTest, HasTheDerivedParameterCount) {
  EXPECT_EQ(parameter_count(*create_cnn_rnn(parsed_model("cnn_rnn {}"), 150, 1)), 404150 + 128);
}

TEST(CnnRnnTest, WithoutIdentitiesThereIsNoClassifier) {
  const auto model = create_cnn_rnn(parsed_model("cnn_rnn {}"), 0, 1);
  EXPECT_EQ(parameter_count(*model), 404278 - (128 * 150 + 150));
  EXPECT_TRUE(model->forward(random_input(1, 1, at::kFloat), evaluation_context()).logits.empty());
}

TEST(CnnRnnTest, WeightsHaveLastingNames) {
  std::vector<std::string> names;
  for (const auto& [name, value] : weights_of(*small_cnn_rnn())) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "start", "conv.weight", "conv.bias", "conv2.weight", "conv2.bias", "conv3.weight",
                "conv3.bias", "features.weight", "features.bias", "hidden_to_hidden.weight",
                "hidden_to_hidden.bias", "classifier.weight", "classifier.bias"}));
}

TEST(CnnRnnTest, AsksForTheFramesOfStsrn) {
  const InputFormat format = small_cnn_rnn()->input_format();
  EXPECT_EQ(format.resize_height, 64);
  EXPECT_EQ(format.resize_width, 48);
  EXPECT_EQ(format.crop_height, 56);
  EXPECT_EQ(format.crop_width, 40);
  EXPECT_TRUE(format.flow);
  EXPECT_EQ(format.colour, InputColour::kYuv);
  EXPECT_FALSE(format.fixed_normalisation);
}

TEST(CnnRnnTest, ForwardEqualsTheSpecificationInPlainLoops) {
  const auto model = small_cnn_rnn();
  randomise_vectors(*model);
  for (const int64_t frames : {1, 2, 4}) {
    const ModelInput input = random_input(2, frames);
    const ModelOutput output = model->forward(input, evaluation_context());
    const NaiveCnnRnnOutput naive = naive_cnn_rnn(model->parameters(), input);
    EXPECT_LT(largest_difference(output.signature.at("features"), naive.features), 1e-11);
    EXPECT_LT(largest_difference(output.logits.at("identity"), naive.identity_logits), 1e-11);
  }
}

TEST(CnnRnnTest, OneClipEqualsItselfAmongOthers) {
  const auto model = small_cnn_rnn();
  const ModelInput input = random_input(3, 2);
  const at::Tensor together = features_of(*model, input, training_context({7, 8, 9}));
  const at::Tensor alone = features_of(*model, clip_of(input, 1), training_context({8}));
  EXPECT_LT(largest_difference(together.narrow(0, 1, 1), alone), 1e-13);
}

TEST(CnnRnnTest, WithoutClipsSpeaksEmptySignaturesAndZeroGradients) {
  const auto model = small_cnn_rnn();
  const ModelOutput output = model->forward(random_input(0, 3), training_context({}));
  EXPECT_EQ(output.signature.at("features").sizes(), (std::vector<int64_t>{0, 6}));
  EXPECT_EQ(output.logits.at("identity").sizes(), (std::vector<int64_t>{0, 3}));
  (output.signature.at("features").sum() + output.logits.at("identity").sum()).backward();
  for (const auto& [name, value] : model->parameters()) {
    if (!value.grad().defined()) continue;
    EXPECT_TRUE(same_values(value.grad(), at::zeros_like(value))) << name;
  }
}

TEST(CnnRnnTest, GradientEqualsFiniteDifferences) {
  const auto model = small_cnn_rnn();
  randomise_vectors(*model);
  expect_gradients_by_finite_differences(*model, random_input(2, 3), training_context({3, 4}));
}

TEST(CnnRnnTest, DropoutActsBeforeTheFeaturesAndInTheRecurrence) {
  const auto model = small_cnn_rnn();
  const auto differs = [&](int64_t frames) {
    const ModelInput input = random_input(1, frames);
    return largest_difference(features_of(*model, input),
                              features_of(*model, input, training_context({5})));
  };
  EXPECT_GT(differs(1), 1e-3);
  for (const auto& [name, value] : model->parameters()) {
    if (name == "features.weight") value.detach().zero_();
    if (name == "features.bias") value.detach().fill_(1);
  }
  EXPECT_EQ(differs(1), 0);
  EXPECT_GT(differs(2), 1e-3);
}

// Features that are the same whatever is dropped before them leave the states' dropout to be seen.
TEST(CnnRnnTest, StatesOfTheRecurrentNetAreDroppedByTheKeyedMasks) {
  const auto model = small_cnn_rnn();
  randomise_vectors(*model);
  for (const auto& [name, value] : model->parameters()) {
    if (name == "features.weight") value.detach().zero_();
  }
  const ModelInput input = random_input(2, 4);
  const ForwardContext context = training_context({5, 6});
  const at::Tensor masks = recurrent_masks(at::zeros({2, 4, 6}, at::kDouble), 0.6, context);
  const at::Tensor features = features_of(*model, input, context);
  EXPECT_LT(largest_difference(features, naive_cnn_rnn(model->parameters(), input, masks).features),
            1e-11);
  EXPECT_GT(largest_difference(features, features_of(*model, input)), 1e-3);
}

TEST(CnnRnnTest, WithoutDropoutTrainingIsEvaluation) {
  const auto model = small_cnn_rnn("dropout: 0");
  const ModelInput input = random_input(2, 3);
  EXPECT_TRUE(same_values(features_of(*model, input),
                          features_of(*model, input, training_context({5, 6}))));
}

TEST(CnnRnnTest, RefusesSettingsOutOfRangeByName) {
  const auto refusal = [](const std::string& settings) {
    return common::failure_text<common::InputError>(
        [&] { create_cnn_rnn(parsed_model("cnn_rnn { " + settings + " }"), 3, 1); });
  };
  EXPECT_TRUE(common::contains(refusal("width: 17"), "model.cnn_rnn.width"));
  EXPECT_TRUE(common::contains(refusal("features: 0"), "model.cnn_rnn.features"));
  EXPECT_TRUE(common::contains(refusal("dropout: 1"), "model.cnn_rnn.dropout"));
  EXPECT_TRUE(
      common::contains(refusal("features: 65536"), "model.cnn_rnn.features: makes a layer"));
}

}  // namespace
}  // namespace muster::models
