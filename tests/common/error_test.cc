#include "common/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <type_traits>

#include "tests/common/support.h"

namespace muster::common {
namespace {

TEST(ErrorTest, SaysObjectProblemAndRemedyInOneLine) {
  EXPECT_STREQ(InputError("a.png", "is truncated", "fetch it again").what(),
               "a.png: is truncated; fetch it again");
}

TEST(ErrorTest, LeavesOutAMissingRemedy) {
  EXPECT_STREQ(SystemError("a.png", "is gone").what(), "a.png: is gone");
}

TEST(ErrorTest, LeavesOutAMissingObject) {
  EXPECT_STREQ(InputError("", "two problems").what(), "two problems");
}

TEST(ErrorTest, NamesFromADiskCannotBreakTheLineOrMoveTheCursor) {
  const InputError error("a\nb\x1b[2J.png", "holds '\t\x7f'", "rename\rit");
  EXPECT_STREQ(error.what(), "a\\nb\\x1b[2J.png: holds '\\x09\\x7f'; rename\\x0dit");
  EXPECT_EQ(error.object(), "a\nb\x1b[2J.png") << "still opens the file";
}

TEST(ErrorTest, OnlyControlCharactersAreEscaped) {
  EXPECT_EQ(one_line("Überwachung 監視 ~\xff"), "Überwachung 監視 ~\xff");
  // U+009B moves cursors like ESC [, U+00A0 is a blank; a cut character ends the text.
  EXPECT_EQ(one_line("\xc2\x9b\xc2\xa0\xc2"), "\\xc2\\x9b\xc2\xa0\xc2");
}

TEST(ErrorTest, TellsTheUsersFaultFromTheSystems) {
  EXPECT_FALSE((std::is_base_of_v<InputError, SystemError>));
  EXPECT_FALSE((std::is_base_of_v<SystemError, InputError>));
  EXPECT_FALSE((std::is_base_of_v<Error, RequirementError>));
}

TEST(ErrorTest, AFailedSystemCallIsExplainedInWords) {
  const std::string text = system_call_error("/data/x", "rename", EACCES).what();
  EXPECT_EQ(text, std::string("/data/x: rename failed: ") + std::strerror(EACCES));
}

TEST(ErrorTest, AFullDiskComesWithARemedy) {
  const std::string text = system_call_error("/data/x", "write", ENOSPC).what();
  EXPECT_EQ(text, std::string("/data/x: write failed: ") + std::strerror(ENOSPC) +
                      "; make room and run the same command again");
}

TEST(RequireTest, PassesWhenTheComparisonHolds) { EXPECT_NO_THROW(MUSTER_REQUIRE(2, <, 3)); }

TEST(RequireTest, PrintsExpressionAndBothOperands) {
  const int rows = 41, limit = 17;
  const std::string text =
      failure_text<RequirementError>([&] { MUSTER_REQUIRE(rows + 1, <=, limit); });
  EXPECT_TRUE(contains(text, "rows + 1 <= limit")) << text;
  EXPECT_TRUE(contains(text, "42")) << text;
  EXPECT_TRUE(contains(text, "17")) << text;
}

TEST(RequireTest, NamesThePlaceInTheSource) {
  const int line = __LINE__ + 1;
  const std::string text = failure_text<RequirementError>([] { MUSTER_REQUIRE(1, ==, 2); });
  EXPECT_TRUE(contains(text, "error_test.cc:" + std::to_string(line))) << text;
}

TEST(RequireTest, EvaluatesEachOperandOnce) {
  int left = 0, right = 5;
  MUSTER_REQUIRE(++left, <, ++right);
  EXPECT_EQ(left, 1);
  EXPECT_EQ(right, 6);
}

TEST(RequireTest, StandsAloneInAnIfWithElse) {
  bool other_branch = false;
  if (false)
    MUSTER_REQUIRE(1, ==, 2);
  else
    other_branch = true;
  EXPECT_TRUE(other_branch);
}

}  // namespace
}  // namespace muster::common
