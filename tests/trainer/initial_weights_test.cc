#include "trainer/initial_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "models/backbones/backbone_catalog.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;
using models::NamedTensors;

class InitialWeightsTest : public testing::Test {
 protected:
  std::string written(const std::string& name, const NamedTensors& tensors) {
    const auto path = directory_ / name;
    models::write_safetensors(path, tensors, {});
    return path.string();
  }
  // GoogLeNet without its classifier, as TRL's main stream has it.
  NamedTensors small_googlenet() const {
    proto::Backbone options;
    options.set_width(0.0625);
    for (const models::BackboneEntry& entry : models::backbone_catalog()) {
      if (entry.name == "googlenet") return models::weights_of(entry.create(options, 9));
    }
    ADD_FAILURE() << "there is no GoogLeNet";
    return {};
  }
  std::unique_ptr<models::Model> small_trl() const {
    proto::Model options;
    options.mutable_trl()->set_width(0.0625);
    options.mutable_trl()->set_input_size(64);
    options.mutable_trl()->set_hidden(8);
    return models::model_entry(options).create(options, 3, 1);
  }
  static proto::InitialWeights& entry(proto::Training& training, const std::string& file,
                                      const std::string& into) {
    proto::InitialWeights& added = *training.add_initialize_from();
    added.set_weights(file);
    if (!into.empty()) added.set_into(into);
    return added;
  }
  std::string refusal(const proto::Training& training, const NamedTensors& weights) {
    return failure_text<InputError>([&] { load_initial_weights(training, weights, progress_); });
  }

  common::TestDirectory directory_;
  common::RecordingProgress progress_;
};

std::map<std::string, at::Tensor> copies(const NamedTensors& tensors) {
  std::map<std::string, at::Tensor> copied;
  for (const auto& [name, value] : tensors) copied[name] = value.clone();
  return copied;
}

TEST_F(InitialWeightsTest, AModuleTakesAFilesAndTheOthersKeepTheirs) {
  const NamedTensors backbone = small_googlenet();
  const auto model = small_trl();
  const NamedTensors weights = models::weights_of(*model);
  const auto before = copies(weights);
  proto::Training training;
  entry(training, written("googlenet.safetensors", backbone), "main");
  load_initial_weights(training, weights, progress_);
  const std::map<std::string, at::Tensor> given(backbone.begin(), backbone.end());
  size_t taken = 0;
  for (const auto& [name, value] : weights) {
    const bool main = name.rfind("main.", 0) == 0;
    EXPECT_TRUE(models::same_values(value, main ? given.at(name.substr(5)) : before.at(name)))
        << name;
    taken += main ? 1 : 0;
  }
  EXPECT_EQ(taken, backbone.size());
  EXPECT_TRUE(contains(progress_.text(), "main starts from")) << progress_.text();
}

TEST_F(InitialWeightsTest, PartOfAFileGoesIntoAModuleThatHasLess) {
  const auto model = small_trl();
  const NamedTensors weights = models::weights_of(*model);
  proto::Training training;
  const std::string file = written("googlenet.safetensors", small_googlenet());
  entry(training, file, "aligned");  // which has no stem
  EXPECT_TRUE(contains(refusal(training, weights), "googlenet.safetensors"));
  training.mutable_initialize_from(0)->set_partial(true);
  load_initial_weights(training, weights, progress_);
  training.mutable_initialize_from(0)->set_partial(false);
  training.mutable_initialize_from(0)->set_take("inception3a");
  training.mutable_initialize_from(0)->set_into("aligned.inception3a");
  load_initial_weights(training, weights, progress_);
}

TEST_F(InitialWeightsTest, ModulesThatAreNotThereAreRefusedWithThoseThatAre) {
  const auto model = small_trl();
  proto::Training training;
  const std::string file = written("googlenet.safetensors", small_googlenet());
  entry(training, file, "backbone");
  std::string text = refusal(training, models::weights_of(*model));
  EXPECT_TRUE(contains(text, "training.initialize_from[0].into: 'backbone' is no module")) << text;
  EXPECT_TRUE(contains(text, "main")) << text;
  training.mutable_initialize_from(0)->set_into("main");
  training.mutable_initialize_from(0)->set_take("layer4");
  text = refusal(training, models::weights_of(*model));
  EXPECT_TRUE(contains(text, "training.initialize_from[0].take: 'layer4' is no module")) << text;
  EXPECT_TRUE(contains(text, "inception3a")) << text;
}

TEST_F(InitialWeightsTest, AnEntryWithoutWeightsIsRefused) {
  proto::Training training;
  training.add_initialize_from();
  const std::string text = failure_text<InputError>([&] { hashes_of_initial_weights(training); });
  EXPECT_TRUE(contains(text, "training.initialize_from[0].weights: is empty")) << text;
}

class TrainingFromWeightsTest : public InitialWeightsTest {
 protected:
  void SetUp() override { build_tiny_store(directory_ / "store"); }
  proto::Experiment untrained(uint64_t seed) const {
    proto::Experiment experiment = tiny_experiment();
    experiment.mutable_training()->set_steps(0);
    experiment.mutable_training()->set_seed(seed);
    return experiment;
  }
  void train_into(const std::string& run, const proto::Experiment& experiment) {
    const auto communicator = create_single_communicator();
    train({experiment, "waves", directory_ / "store", directory_ / run}, *communicator, progress_);
  }
  std::string bytes_of(const std::string& run) {
    return common::read_file(read_finished_run(directory_ / run).weights);
  }
};

TEST_F(TrainingFromWeightsTest, ARunGivesItsWeights) {
  train_into("first", untrained(5));
  train_into("other", untrained(6));
  EXPECT_NE(bytes_of("other"), bytes_of("first"));
  proto::Experiment tuned = untrained(6);
  entry(*tuned.mutable_training(), (directory_ / "first").string(), "");
  train_into("tuned", tuned);
  EXPECT_EQ(bytes_of("tuned"), bytes_of("first"));
  EXPECT_EQ(read_finished_run(directory_ / "tuned").facts.initial_weights.size(), 1U);
}

TEST_F(TrainingFromWeightsTest, OtherWeightsUnderTheSameNameAreAnotherTraining) {
  train_into("first", untrained(5));
  const auto file = directory_ / "weights.safetensors";
  common::write_file_atomically(file, bytes_of("first"));
  proto::Experiment tuned = untrained(6);
  entry(*tuned.mutable_training(), file.string(), "");
  train_into("tuned", tuned);
  progress_.notes.clear();
  train_into("tuned", tuned);
  EXPECT_TRUE(contains(progress_.text(), "already trained")) << progress_.text();
  train_into("other", untrained(7));
  common::write_file_atomically(file, bytes_of("other"));
  const std::string text = failure_text<InputError>([&] { train_into("tuned", tuned); });
  EXPECT_TRUE(contains(text, "already holds a finished run of other settings or data")) << text;
}

}  // namespace
}  // namespace muster::trainer
