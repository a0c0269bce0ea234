#include "common/number_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace muster::common {
namespace {

TEST(NumberTextTest, WholeNumbersAreInFull) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(-0.0), "0");
  EXPECT_EQ(number_text(-1), "-1");
  EXPECT_EQ(number_text(100000), "100000");
  EXPECT_EQ(number_text(2e9), "2000000000");
  EXPECT_EQ(number_text(-999999999999999), "-999999999999999");
}

TEST(NumberTextTest, FractionsAreShort) {
  EXPECT_EQ(number_text(0.35), "0.35");
  EXPECT_EQ(number_text(-1.5), "-1.5");
  EXPECT_EQ(number_text(1e-7), "1e-07");
  EXPECT_EQ(number_text(100000.5), "100000.5");
}

TEST(NumberTextTest, WhatIsTooLargeToReadOrNoNumberStillHasAText) {
  EXPECT_EQ(number_text(1e300), "1e+300");
  EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(number_text(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(number_text(std::numeric_limits<double>::quiet_NaN()), "nan");
}

}  // namespace
}  // namespace muster::common
