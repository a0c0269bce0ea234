#include "datastore/file_names.h"

#include <gtest/gtest.h>

namespace muster::datastore {
namespace {

TEST(NumberedTest, PutsNumbersIntoNames) {
  EXPECT_EQ(numbered("cam_%c/person_%04d", 'b', 17), "cam_b/person_0017");
}

TEST(DigitsValueTest, IsTheNumberOfUpToNineDigits) {
  EXPECT_EQ(digits_value("0"), 0);
  EXPECT_EQ(digits_value("007"), 7);
  EXPECT_EQ(digits_value("999999999"), 999999999);
}

TEST(DigitsValueTest, AnythingElseIsNoNumber) {
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1a", "1.0", "1000000000"}) {
    EXPECT_EQ(digits_value(text), std::nullopt) << text;
  }
}

TEST(LowerCaseExtensionTest, IsWhatFollowsTheLastDot) {
  EXPECT_EQ(lower_case_extension("Hall.boxes.CSV"), ".csv");
  EXPECT_EQ(lower_case_extension("a/b.c/HALL"), "");
  EXPECT_EQ(lower_case_extension(""), "");
}

TEST(WithoutTrailingSlashTest, KeepsEverythingElse) {
  EXPECT_EQ(without_trailing_slash("a/b/"), "a/b");
  EXPECT_EQ(without_trailing_slash("a/b//"), "a/b");
  EXPECT_EQ(without_trailing_slash("/a"), "/a");
  EXPECT_EQ(without_trailing_slash("/"), "/");
  EXPECT_EQ(without_trailing_slash(""), "");
}

}  // namespace
}  // namespace muster::datastore
