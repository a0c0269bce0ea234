// The recipes of experiments/recipes: each is read, makes its optimiser over its network, and
// trains.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "common/atomic_file.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/parameter_groups.h"
#include "trainer/parameter_update.h"
#include "trainer/run_directory.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

// What makes a recipe's network small, in text format over its message.
const std::map<std::string, std::string> kSmallNetworks = {
    {"rru_stim", "rru_stim { width: 0.0625 input_size: 107 feature_size: 8 }"},
    {"trl_stage1",
     "trl { width: 0.0625 input_size: 64 localisation_hidden: 8 "
     "localisation_channels: 8 }"},
    {"trl_stage2",
     "trl { width: 0.0625 input_size: 64 hidden: 8 localisation_hidden: 8 "
     "localisation_channels: 8 }"},
    {"tam_srm",
     "tam_srm { width: 0.0625 input_size: 67 feature_size: 8 attention_size: 8 "
     "recurrent_size: 8 metric_channels: 8 metric_hidden: 8 }"},
    {"stsrn", "stsrn { width: 0.0625 features: 8 }"},
    {"cnn_rnn", "cnn_rnn { width: 0.0625 features: 8 }"},
    {"stal", "stal { width: 0.0625 input_size: 64 part_size: 8 attention_channels: 8 }"},
};

proto::Experiment recipe(const std::string& name) {
  const auto path = std::filesystem::path(MUSTER_SOURCE_DIR) / "experiments" / "recipes";
  proto::Experiment experiment;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      common::read_file(path / (name + ".textproto")), &experiment))
      << name;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(kSmallNetworks.at(name),
                                                            experiment.mutable_model()));
  return experiment;
}

// Of the parameter, in the recipe.
GroupFactors factors_of(const std::string& recipe_name, const std::string& parameter) {
  const proto::Experiment experiment = recipe(recipe_name);
  const models::WithoutInitialValues only_names;
  const auto model = models::model_entry(experiment.model()).create(experiment.model(), 3, 1);
  const models::NamedTensors parameters = model->parameters();
  const auto factors = group_factors(experiment.training().optimizer(), parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].first == parameter) return factors[i];
  }
  ADD_FAILURE() << parameter << " is no parameter";
  return {};
}

TEST(RecipesTest, EveryFileIsTestedHere) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(MUSTER_SOURCE_DIR) / "experiments" / "recipes")) {
    EXPECT_EQ(kSmallNetworks.count(entry.path().stem().string()), 1u) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, kSmallNetworks.size());
}

TEST(RecipesTest, NewLayersLearnTenTimesAsFast) {
  EXPECT_EQ(factors_of("rru_stim", "backbone.Conv2d_1a_3x3.conv.weight").learning_rate, 0.1);
  EXPECT_EQ(factors_of("rru_stim", "refinement.spatial1.weight").learning_rate, 1);
  EXPECT_EQ(factors_of("tam_srm", "backbone.conv1.weight").learning_rate, 0.1);
  EXPECT_EQ(factors_of("tam_srm", "backbone.fc6.weight").learning_rate, 1);
  EXPECT_EQ(factors_of("tam_srm", "attention.frame.weight").learning_rate, 1);
}

TEST(RecipesTest, BiasesOfStalLearnTwiceAsFastWithoutDecay) {
  EXPECT_EQ(factors_of("stal", "classifier.bias").learning_rate, 2);
  EXPECT_EQ(factors_of("stal", "classifier.bias").weight_decay, 0);
  EXPECT_EQ(factors_of("stal", "classifier.weight").learning_rate, 1);
}

TEST(RecipesTest, StalHalvesItsRate) {
  const proto::Experiment experiment = recipe("stal");
  const auto update = create_parameter_update(experiment.training().optimizer(),
                                              {{"bias", at::zeros({1}).requires_grad_()}});
  EXPECT_DOUBLE_EQ(update->learning_rate(6400), 0.001);
  EXPECT_DOUBLE_EQ(update->learning_rate(6401), 0.0005);
  EXPECT_DOUBLE_EQ(update->learning_rate(150000), 0.0000625);
}

// Tracklets of the tiny store have four to six frames, its training three persons.
void make_batch_small(proto::Batch& batch) {
  batch.set_frames(std::min(4, batch.frames()));
  if (batch.sampler() == proto::IDENTITIES) {
    batch.set_identities(2);
  } else {
    batch.set_size(std::min(2, batch.size()));
  }
}

class RecipeStepTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Recipes, RecipeStepTest,
                         testing::Values("rru_stim", "trl_stage1", "trl_stage2", "tam_srm", "stsrn",
                                         "cnn_rnn", "stal"),
                         [](const auto& test) { return test.param; });

TEST_P(RecipeStepTest, Trains) {
  proto::Experiment experiment = recipe(GetParam());
  make_batch_small(*experiment.mutable_training()->mutable_batch());
  experiment.mutable_training()->set_steps(1);
  experiment.mutable_data()->set_protocol("random-half");
  if (experiment.model().has_tam_srm())
    experiment.mutable_model()->mutable_tam_srm()->set_frames(4);
  const common::TestDirectory directory;
  build_tiny_store(directory / "store");
  common::RecordingProgress progress;
  const auto communicator = create_single_communicator();
  train({experiment, "waves", directory / "store", directory / "run"}, *communicator, progress);
  const FinishedRun run = read_finished_run(directory / "run");
  EXPECT_TRUE(std::isfinite(run.loss));
  const auto first = models::model_entry(experiment.model())
                         .create(experiment.model(), 3, experiment.training().seed());
  const auto trained = models::read_safetensors(run.weights).tensors;
  size_t moved = 0;
  for (const auto& [name, value] : first->parameters()) {
    EXPECT_TRUE(trained.at(name).isfinite().all().item<bool>()) << name;
    if (!models::same_values(value, trained.at(name))) ++moved;
  }
  EXPECT_GT(2 * moved, first->parameters().size());
}

}  // namespace
}  // namespace muster::trainer
