#include "launcher/experiment_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::launcher {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;
using proto::Experiment;

class ExperimentFileTest : public testing::Test {
 protected:
  std::string path() const { return (directory_ / "experiment.textproto").string(); }
  Experiment read(const std::string& text, const std::vector<std::string>& settings = {}) const {
    std::ofstream(path()) << text;
    return read_experiment(path(), settings);
  }
  std::string refusal(const std::string& text,
                      const std::vector<std::string>& settings = {}) const {
    return failure_text<InputError>([&] { read(text, settings); });
  }
  TestDirectory directory_;
};

TEST_F(ExperimentFileTest, ReadsWhatItSays) {
  const Experiment experiment = read(R"(
    name: "quick"
    data { train: "prid" train: "ilids" split: 3 }
    training { steps: 50 optimizer { sgd { momentum: 0.5 } } }
  )");
  EXPECT_EQ(experiment.name(), "quick");
  ASSERT_EQ(experiment.data().train_size(), 2);
  EXPECT_EQ(experiment.data().train(1), "ilids");
  EXPECT_EQ(experiment.data().split(), 3);
  EXPECT_EQ(experiment.training().steps(), 50);
  EXPECT_EQ(experiment.training().optimizer().sgd().momentum(), 0.5);
}

TEST_F(ExperimentFileTest, AnEmptyFileIsAllDefaults) {
  EXPECT_EQ(read("").training().steps(), 1000);
}

TEST_F(ExperimentFileTest, SettingsOverrideTheFileInTheirOrder) {
  const Experiment experiment =
      read("training { steps: 50 seed: 4 }", {"training.steps=60", "training.steps=70"});
  EXPECT_EQ(experiment.training().steps(), 70);
  EXPECT_EQ(experiment.training().seed(), 4u);
}

TEST_F(ExperimentFileTest, EveryProblemHasALine) {
  const std::string text =
      refusal("nmae: 'x'", {"training.steps=many", "training.stepz=1", "training.seed=a\nb"});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
  EXPECT_TRUE(contains(text, "\n--set training.steps: 'many' is not a whole number\n")) << text;
  EXPECT_TRUE(contains(text, "'a\\nb' is not")) << text;
  EXPECT_TRUE(contains(text, "\n4 problems, nothing was started")) << text;
}

TEST_F(ExperimentFileTest, AMissingFileIsNamed) {
  const std::string text = failure_text<InputError>([&] { read_experiment(path(), {}); });
  EXPECT_TRUE(contains(text, path())) << text;
}

TEST_F(ExperimentFileTest, AnUnknownFieldIsNamedWithItsPlaceAndTheNearestName) {
  const std::string text = refusal("name: \"x\"\ntraining {\n  stepz: 5\n}\n");
  EXPECT_TRUE(contains(text, path() + ":3:")) << text;
  EXPECT_TRUE(contains(text, "'stepz'")) << text;
  EXPECT_TRUE(contains(text, "did you mean 'steps'?")) << text;
}

TEST_F(ExperimentFileTest, AllUnknownFieldsAreListedAtOnce) {
  const std::string text =
      refusal("nane: \"x\"\ndata { splitt: 3 }\ntraining {\n  stepz: 5\n  batch { clip: 2 }\n}\n");
  for (const char* place : {":1:", ":2:", ":4:", ":5:"}) {
    EXPECT_TRUE(contains(text, path() + place)) << place << " in " << text;
  }
  for (const char* name : {"'name'", "'split'", "'steps'", "'clips'"}) {
    EXPECT_TRUE(contains(text, "did you mean " + std::string(name))) << name << " in " << text;
  }
  EXPECT_TRUE(contains(text, "4 problems")) << text;
}

TEST_F(ExperimentFileTest, ColumnsCountFromOne) {
  const std::string text = refusal("data { bogusfield: 3 }");
  // The parser looks up a name once it has read it; any column on the name or right behind it will
  // do.
  const size_t at = text.find(path() + ":1:");
  ASSERT_NE(at, std::string::npos) << text;
  const int column = std::stoi(text.substr(at + path().size() + 3));
  EXPECT_GE(column, 8);
  EXPECT_LE(column, 18);
}

TEST_F(ExperimentFileTest, AFieldUnlikeAnyListsTheKnownOnes) {
  const std::string text = refusal("data { zzzzzzzz: 3 }");
  for (const char* name : {"train", "test", "split", "split_seed"}) {
    EXPECT_TRUE(contains(text, name)) << text;
  }
}

TEST_F(ExperimentFileTest, MistakesOfFileAndSettingsAreListedTogether) {
  const std::string text = refusal("training { stepz: 5 }", {"training.sead=3", "data.split=many"});
  EXPECT_TRUE(contains(text, "'stepz'")) << text;
  EXPECT_TRUE(contains(text, "'seed'")) << text;
  EXPECT_TRUE(contains(text, "'many'")) << text;
  EXPECT_TRUE(contains(text, "3 problems")) << text;
}

TEST_F(ExperimentFileTest, AWrongValueIsNamedWithItsLine) {
  const std::string text = refusal("training {\n  steps: lots\n}");
  EXPECT_TRUE(contains(text, path() + ":2:")) << text;
}

TEST_F(ExperimentFileTest, AnUnknownEnumValueIsNamedWithItsLine) {
  const std::string text = refusal("\nscoring { metric: MANHATTAN }");
  EXPECT_TRUE(contains(text, path() + ":2:")) << text;
  EXPECT_TRUE(contains(text, "MANHATTAN")) << text;
}

TEST_F(ExperimentFileTest, AMistypedEnumValueGetsTheNearestNameAndTheList) {
  for (const char* value : {"cosine", "COSIN", "Cosine"}) {
    const std::string text = refusal("scoring { metric: " + std::string(value) + " }");
    EXPECT_TRUE(
        contains(text, "metric: '" + std::string(value) +
                           "' is not one of EUCLIDEAN, COSINE, KISSME, XQDA, MODEL; did you mean "
                           "'COSINE'?"))
        << text;
  }
}

TEST_F(ExperimentFileTest, ATypeWithoutThatFieldIsNotAskedForIts) {
  // Batch has whole numbers where Extraction has an enum of the same name.
  const std::string text =
      refusal("training { batch { frames: 4 } }\nextraction { frames: ALL_FRAME }");
  EXPECT_TRUE(contains(text, ":2:")) << text;
  EXPECT_TRUE(contains(text, "frames: 'ALL_FRAME' is not one of")) << text;
  EXPECT_TRUE(contains(text, "did you mean 'ALL_FRAMES'?")) << text;
}

TEST_F(ExperimentFileTest, AnOpenBraceIsNamedWithItsLine) {
  const std::string text = refusal("training {\n  steps: 5\n");
  EXPECT_TRUE(contains(text, path() + ":")) << text;
}

TEST_F(ExperimentFileTest, TwoOptimizersAreRefused) {
  refusal("training { optimizer { sgd {} adam {} } }");
}

Experiment with(const std::string& setting) {
  Experiment experiment;
  apply_setting(experiment, setting);
  return experiment;
}

// What `setting` is refused with; it must be named.
std::string refused(const std::string& setting) {
  const std::string text = failure_text<InputError>([&] { with(setting); });
  EXPECT_TRUE(contains(text, "--set")) << text;
  EXPECT_TRUE(contains(text, setting.substr(0, setting.find('=')))) << text;
  return text;
}

TEST(ApplySettingTest, SetsWholeNumbers) {
  EXPECT_EQ(with("training.steps=12").training().steps(), 12);
  EXPECT_EQ(with("training.seed=18446744073709551615").training().seed(), ~uint64_t{0});
}

TEST(ApplySettingTest, SetsRealNumbers) {
  EXPECT_EQ(with("training.optimizer.learning_rate=2.5e-4").training().optimizer().learning_rate(),
            2.5e-4);
  EXPECT_EQ(with("training.optimizer.learning_rate=3").training().optimizer().learning_rate(), 3);
}

TEST(ApplySettingTest, SetsTruthValues) {
  EXPECT_FALSE(with("training.augmentation.flip=false").training().augmentation().flip());
  EXPECT_TRUE(with("extraction.flip=true").extraction().has_flip());
}

TEST(ApplySettingTest, SetsText) { EXPECT_EQ(with("name=a b, 'c'").name(), "a b, 'c'"); }

TEST(ApplySettingTest, SetsTextThatHoldsAnEqualsSign) { EXPECT_EQ(with("name=a=b").name(), "a=b"); }

TEST(ApplySettingTest, SetsEnumsByName) {
  EXPECT_EQ(with("scoring.metric=COSINE").scoring().metric(), proto::COSINE);
}

TEST(ApplySettingTest, SetsRepeatedNumbersFromAList) {
  const Experiment experiment = with("training.optimizer.decay_steps=100,200,300");
  const auto& steps = experiment.training().optimizer().decay_steps();
  EXPECT_EQ(std::vector<int64_t>(steps.begin(), steps.end()),
            (std::vector<int64_t>{100, 200, 300}));
}

TEST(ApplySettingTest, SetsRepeatedTextFromAList) {
  const Experiment experiment = with("data.train=prid,ilids");
  ASSERT_EQ(experiment.data().train_size(), 2);
  EXPECT_EQ(experiment.data().train(0), "prid");
  EXPECT_EQ(experiment.data().train(1), "ilids");
}

TEST(ApplySettingTest, AListReplacesTheEarlierOne) {
  Experiment experiment = with("training.optimizer.decay_steps=1,2,3");
  apply_setting(experiment, "training.optimizer.decay_steps=9");
  ASSERT_EQ(experiment.training().optimizer().decay_steps_size(), 1);
  EXPECT_EQ(experiment.training().optimizer().decay_steps(0), 9);
}

TEST(ApplySettingTest, AnEmptyListClears) {
  Experiment experiment = with("data.train=prid");
  apply_setting(experiment, "data.train=");
  EXPECT_EQ(experiment.data().train_size(), 0);
}

TEST(ApplySettingTest, OnMakesAMessagePresent) {
  const Experiment experiment = with("training.loss.video_triplet=on");
  EXPECT_TRUE(experiment.training().loss().has_video_triplet());
  EXPECT_FALSE(experiment.training().loss().has_identity());
}

TEST(ApplySettingTest, OnKeepsWhatTheMessageHolds) {
  Experiment experiment = with("training.loss.video_triplet.margin=0.9");
  apply_setting(experiment, "training.loss.video_triplet=on");
  EXPECT_EQ(experiment.training().loss().video_triplet().margin(), 0.9);
}

TEST(ApplySettingTest, OffTakesAMessageAway) {
  Experiment experiment = with("training.loss.video_triplet.margin=0.9");
  apply_setting(experiment, "training.loss.video_triplet=off");
  EXPECT_FALSE(experiment.training().loss().has_video_triplet());
}

TEST(ApplySettingTest, AGroupThatIsTakenAwayFirstMakesRoomForOtherSettings) {
  Experiment experiment;
  experiment.mutable_training()->mutable_batch()->set_identities(8);
  for (const char* setting :
       {"training.batch=off", "training.batch.sampler=PAIRS", "training.batch.size=2"}) {
    apply_setting(experiment, setting);
  }
  EXPECT_FALSE(experiment.training().batch().has_identities());
  EXPECT_EQ(experiment.training().batch().size(), 2);
}

TEST(ApplySettingTest, AnotherOptimizerTakesThePlaceOfTheFirst) {
  Experiment experiment = with("training.optimizer.sgd.momentum=0.5");
  apply_setting(experiment, "training.optimizer.adam=on");
  EXPECT_FALSE(experiment.training().optimizer().has_sgd());
  EXPECT_TRUE(experiment.training().optimizer().has_adam());
}

TEST(ApplySettingTest, AMessageIsNotANumberAndItsFieldsAreListed) {
  const std::string text = refused("training.batch=5");
  for (const char* name : {"identities", "clips", "frames"}) {
    EXPECT_TRUE(contains(text, name)) << text;
  }
}

TEST(ApplySettingTest, AnUnknownFieldGetsTheNearestName) {
  EXPECT_TRUE(contains(refused("training.stepz=5"), "did you mean 'steps'?"));
  EXPECT_TRUE(contains(refused("trainign.steps=5"), "did you mean 'training'?"));
}

TEST(ApplySettingTest, AScalarHasNoFieldsOfItsOwn) {
  EXPECT_TRUE(contains(refused("training.steps.count=5"), "'steps'"));
}

TEST(ApplySettingTest, WhatIsNotPathEqualsValueIsRefused) {
  for (const char* setting : {"training.steps", "=5", ""}) {
    const std::string text = failure_text<InputError>([&] { with(setting); });
    EXPECT_TRUE(contains(text, "path=value")) << text;
  }
}

TEST(ApplySettingTest, APathThatEndsInADotIsRefused) { refused("training.=on"); }

TEST(ApplySettingTest, BadWholeNumbersAreRefused) {
  EXPECT_TRUE(contains(refused("training.steps=many"), "a whole number"));
  EXPECT_TRUE(contains(refused("training.steps=1.5"), "'1.5'"));
  EXPECT_TRUE(contains(refused("training.steps="), "a whole number"));
  EXPECT_TRUE(contains(refused("training.steps=5 6"), "'5 6'"));
}

TEST(ApplySettingTest, WholeNumbersOutOfRangeAreRefused) {
  refused("data.split=2147483648");
  EXPECT_TRUE(contains(refused("training.seed=-1"), "at least 0"));
}

TEST(ApplySettingTest, BadRealNumbersAreRefused) {
  EXPECT_TRUE(contains(refused("training.optimizer.learning_rate=fast"), "a number"));
}

TEST(ApplySettingTest, BadTruthValuesAreRefused) {
  EXPECT_TRUE(contains(refused("extraction.flip=perhaps"), "true or false"));
}

TEST(ApplySettingTest, BadEnumsAreRefusedAndTheGoodOnesListed) {
  const std::string text = refused("scoring.metric=MANHATTAN");
  EXPECT_TRUE(contains(text, "EUCLIDEAN, COSINE")) << text;
}

TEST(ApplySettingTest, OneBadItemOfAListIsRefusedByItself) {
  EXPECT_TRUE(contains(refused("training.optimizer.decay_steps=1,x,3"), "'x'"));
}

TEST(ApplySettingTest, AnEmptyItemOfAListIsRefused) {
  refused("training.optimizer.decay_steps=1,,3");
}

TEST(ApplySettingTest, AFieldCannotBeSmuggledInBehindAValue) {
  refused("training.steps=5 seed: 7");
}

}  // namespace
}  // namespace muster::launcher
