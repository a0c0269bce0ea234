#include "launcher/message_at.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "proto/experiment.pb.h"

namespace muster::launcher {
namespace {

using proto::Experiment;

// The short name of the type that is open where `@` stands, "" for none.
std::string type_at(std::string text) {
  const size_t at = text.find('@');
  const size_t begin = text.rfind('\n', at) == std::string::npos ? 0 : text.rfind('\n', at) + 1;
  const auto line =
      static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
  text.erase(at, 1);
  const auto* type =
      message_at(*Experiment::descriptor(), text, line, static_cast<int>(at - begin));
  return type == nullptr ? "" : type->name();
}

TEST(MessageAtTest, OutsideOfAllBracesIsTheWhole) {
  EXPECT_EQ(type_at("@"), "Experiment");
  EXPECT_EQ(type_at("name: 'x' @"), "Experiment");
  EXPECT_EQ(type_at("training { steps: 5 }\n@scoring { }"), "Experiment");
}

TEST(MessageAtTest, FollowsBracesAndAngles) {
  EXPECT_EQ(type_at("training {\n  batch {\n    sampler: @PAIRS }}"), "Batch");
  EXPECT_EQ(type_at("training: <\n  batch { frames: 4 }\n  precision: NONE @>"), "Training");
  EXPECT_EQ(type_at("training { steps: 5 } scoring { metric: Cosine @}"), "Scoring");
}

TEST(MessageAtTest, ValuesCommentsStringsAndListsOpenNothing) {
  EXPECT_EQ(type_at("scoring { metric: training @}"), "Scoring");
  EXPECT_EQ(type_at("name: 'data { ' # scoring {\ntraining { @}"), "Training");
  EXPECT_EQ(type_at("data { train: ['scoring', '{'] split: 3 @}"), "Data");
}

TEST(MessageAtTest, InsideAFieldThatIsNotThereIsNothing) {
  EXPECT_EQ(type_at("trainign { batch { @} }"), "");
  EXPECT_EQ(type_at("trainign { batch { } } scoring { @}"), "Scoring");
}

TEST(MessageAtTest, MoreClosedThanOpenedStaysOutside) { EXPECT_EQ(type_at("} } @"), "Experiment"); }

}  // namespace
}  // namespace muster::launcher
