#include "common/nearest_name.h"

#include <gtest/gtest.h>

namespace muster::common {
namespace {

using Names = std::vector<std::string>;
const Names kNames = {"steps", "seed", "batch", "loss", "optimizer", "augmentation"};

TEST(NearestNameTest, FindsAMissingLetter) { EXPECT_EQ(nearest_name("stps", kNames), "steps"); }

TEST(NearestNameTest, FindsALetterTooMany) { EXPECT_EQ(nearest_name("baatch", kNames), "batch"); }

TEST(NearestNameTest, FindsAWrongLetter) { EXPECT_EQ(nearest_name("lozs", kNames), "loss"); }

TEST(NearestNameTest, FindsSwappedLetters) { EXPECT_EQ(nearest_name("sede", kNames), "seed"); }

TEST(NearestNameTest, FindsTheOtherSpelling) {
  EXPECT_EQ(nearest_name("optimiser", kNames), "optimizer");
}

TEST(NearestNameTest, AllowsMoreMistakesInLongNames) {
  EXPECT_EQ(nearest_name("augmentashun", kNames), "augmentation");
}

TEST(NearestNameTest, PrefersTheNearest) {
  EXPECT_EQ(nearest_name("clips", {"clip", "clips", "flips"}), "clips");
  EXPECT_EQ(nearest_name("split_sead", {"split", "split_seed"}), "split_seed");
}

TEST(NearestNameTest, FindsNothingThatIsFar) { EXPECT_EQ(nearest_name("network", kNames), ""); }

TEST(NearestNameTest, FindsNothingAmongNone) { EXPECT_EQ(nearest_name("steps", {}), ""); }

TEST(NameHintTest, AsksForTheNearName) {
  EXPECT_EQ(name_hint("stps", kNames), "did you mean 'steps'?");
}

TEST(NameHintTest, ListsTheKnownNamesWhenNoneIsNear) {
  EXPECT_EQ(name_hint("network", {"steps", "seed", "batch"}), "known: steps, seed, batch");
}

}  // namespace
}  // namespace muster::common
