#include "monitoring/terminal_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace muster::monitoring {
namespace {

TEST(TerminalTextTest, CountsCharactersNotBytes) { EXPECT_EQ(columns_of("é→x"), 3u); }

TEST(TerminalTextTest, CutsAtCharacters) {
  EXPECT_EQ(cut_to("é→x", 2), "é→");
  EXPECT_EQ(cut_to("ab", 5), "ab");
  EXPECT_EQ(cut_to("ab", 0), "");
}

TEST(TerminalTextTest, PrintsNoControlCharacters) {
  EXPECT_EQ(printable("a\x1b[2J\n\x7f é"), "a\\x1b[2J\\n\\x7f é");
}

TEST(TerminalTextTest, SaysDurationsInTheUnitThatMatters) {
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(59), "59 s");
  EXPECT_EQ(duration_text(125), "2 min 5 s");
  EXPECT_EQ(duration_text(1201), "20 min");
  EXPECT_EQ(duration_text(3 * 3600 + 600), "3 h 10 min");
  EXPECT_EQ(duration_text(52 * 3600), "2 d 4 h");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::infinity()), "unknown");
}

TEST(TerminalTextTest, SaysRatesWithADigitWhereItMatters) {
  EXPECT_EQ(rate_text(2.54), "2.5/s");
  EXPECT_EQ(rate_text(812.3), "812/s");
}

TEST(TerminalTextTest, PartsGiveWayInTheirOrder) {
  const std::vector<LinePart> parts = {{"step 1", 0}, {"loss", 2}, {"rate", 1}};
  EXPECT_EQ(fitted_line(parts, 18), "step 1  loss  rate");
  EXPECT_EQ(fitted_line(parts, 17), "step 1  rate");
  EXPECT_EQ(fitted_line(parts, 6), "step 1");
  EXPECT_EQ(fitted_line(parts, 4), "step");
}

}  // namespace
}  // namespace muster::monitoring
