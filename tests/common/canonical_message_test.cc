#include "common/canonical_message.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "proto/experiment.pb.h"
#include "proto/report_input.pb.h"

namespace muster::common {
namespace {

std::string canonical(const std::string& text) {
  proto::Experiment experiment;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &experiment)) << text;
  return canonical_text(experiment);
}

TEST(CanonicalTextTest, OfAnEmptyMessageIsEmpty) { EXPECT_EQ(canonical(""), ""); }

TEST(CanonicalTextTest, KeepsWhatDiffersFromTheDefault) {
  EXPECT_EQ(canonical("training { steps: 7 }"), "training {\n  steps: 7\n}\n");
}

TEST(CanonicalTextTest, DropsWholeNumbersThatEqualTheirDefault) {
  EXPECT_EQ(canonical("data { split: 0 split_seed: 1 }"), canonical("data {}"));
}

TEST(CanonicalTextTest, DropsRealNumbersThatEqualTheirDefault) {
  EXPECT_EQ(canonical("training { optimizer { learning_rate: 0.002 gradient_clamp: 5.0 } }"),
            canonical("training { optimizer {} }"));
}

TEST(CanonicalTextTest, DropsTruthValuesThatEqualTheirDefault) {
  EXPECT_EQ(canonical("training { augmentation { crop: true flip: false } }"),
            canonical("training { augmentation { flip: false } }"));
}

TEST(CanonicalTextTest, DropsEnumsThatEqualTheirDefault) {
  EXPECT_EQ(canonical("training { precision: FLOAT32 }"), canonical("training {}"));
  EXPECT_NE(canonical("training { precision: FLOAT64 }"), canonical("training {}"));
}

TEST(CanonicalTextTest, DropsTextThatEqualsItsDefault) { EXPECT_EQ(canonical("name: ''"), ""); }

TEST(CanonicalTextTest, KeepsZeroWhereTheDefaultIsAnother) {
  EXPECT_EQ(canonical("training { optimizer { gradient_clamp: 0 } }"),
            "training {\n  optimizer {\n    gradient_clamp: 0\n  }\n}\n");
}

TEST(CanonicalTextTest, KeepsThePresenceOfAnEmptyMessage) {
  EXPECT_EQ(canonical("training { loss { identity {} } }"),
            "training {\n  loss {\n    identity {\n    }\n  }\n}\n");
}

TEST(CanonicalTextTest, DropsGroupsWhosePresenceSaysNothing) {
  EXPECT_EQ(canonical("data {} training { batch {} loss {} optimizer {} } scoring {}"), "");
  EXPECT_EQ(canonical("training { seed: 1 batch { frames: 16 } } extraction { flip: true }"), "");
}

TEST(CanonicalTextTest, KeepsAnEmptyMemberOfAOneof) {
  EXPECT_EQ(canonical("training { optimizer { adam {} } }"),
            "training {\n  optimizer {\n    adam {\n    }\n  }\n}\n");
}

TEST(CanonicalTextTest, KeepsThePresenceOfAMessageThatHeldOnlyDefaults) {
  EXPECT_EQ(canonical("model { stsrn { features: 128 } }"), canonical("model { stsrn {} }"));
  EXPECT_NE(canonical("model { stsrn { features: 128 } }"), canonical("model {}"));
}

TEST(CanonicalTextTest, KeepsEveryItemOfARepeatedField) {
  EXPECT_EQ(canonical("training { optimizer { decay_steps: [0, 5, 5] } }"),
            "training {\n  optimizer {\n    decay_steps: 0\n    decay_steps: 5\n    decay_steps: "
            "5\n  }\n}\n");
}

TEST(CanonicalTextTest, DropsDefaultsInsideRepeatedMessages) {
  proto::ReportInput with_default, without;
  with_default.add_cells()->set_split(0);
  without.add_cells();
  EXPECT_EQ(canonical_text(with_default), canonical_text(without));
  EXPECT_FALSE(canonical_text(without).empty());
}

TEST(CanonicalTextTest, DoesNotDependOnTheOrderOfWriting) {
  EXPECT_EQ(canonical("training { steps: 7 seed: 3 } name: 'a'"),
            canonical("name: 'a' training { seed: 3 steps: 7 }"));
}

TEST(CanonicalTextTest, ReadsBackToAMessageOfTheSameMeaning) {
  const std::string text = canonical(
      "data { train: 'a' split: 3 } training { optimizer { learning_rate: 0.1 sgd {} } }");
  EXPECT_EQ(canonical(text), text);
}

TEST(CanonicalTextTest, DistinguishesNeighbouringDoubles) {
  proto::Experiment first, second;
  first.mutable_training()->mutable_optimizer()->set_learning_rate(0.1);
  second.mutable_training()->mutable_optimizer()->set_learning_rate(0.1 + 2e-17);
  ASSERT_NE(first.training().optimizer().learning_rate(),
            second.training().optimizer().learning_rate());
  EXPECT_NE(canonical_text(first), canonical_text(second));
}

TEST(SettingsOfTest, AreThoseOfTheStagesAtEveryDepth) {
  proto::Experiment experiment;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "name: 'n' data { train: 'a' test: 'b' occlusion { size: 25 } }"
      "training { steps: 7 loader_threads: 3 loss { identity {} } }"
      "extraction { crops: 8 } scoring { metric: COSINE }",
      &experiment));
  EXPECT_EQ(settings_of(experiment, {proto::TRAIN}),
            canonical("data { train: 'a' occlusion { size: 25 } }"
                      "training { steps: 7 loss { identity {} } }"));
  EXPECT_EQ(settings_of(experiment, {proto::EXTRACT, proto::SCORE}),
            canonical("data { test: 'b' } training { loss { identity {} } }"
                      "extraction { crops: 8 } scoring { metric: COSINE }"));
  EXPECT_EQ(experiment.training().loader_threads(), 3);
}

TEST(CanonicalTextTest, LeavesTheMessageItself) {
  proto::Experiment experiment;
  experiment.mutable_data()->set_split(0);
  canonical_text(experiment);
  EXPECT_TRUE(experiment.data().has_split());
}

}  // namespace
}  // namespace muster::common
