// Text for people at a terminal: what fits, what is safe to print, durations and rates.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace muster::monitoring {

// Columns that UTF-8 text takes, counting one for each character.
size_t columns_of(const std::string& text);

// The first `columns` characters.
std::string cut_to(const std::string& text, size_t columns);

// Control characters, which would move the cursor, become visible: common::one_line().
std::string printable(const std::string& text);

// printf of one number.
std::string formatted(const char* format, double value);

// "9 s", "2 min 5 s", "20 min", "3 h 10 min", "2 d 4 h".
std::string duration_text(double seconds);

// "2.5/s", "812/s".
std::string rate_text(double per_second);

// A part of a line and the order in which it gives way: the highest first, 0 never.
struct LinePart {
  std::string text;
  int gives_way;
};

// The parts that fit, joined by two spaces; cut where even those that never give way are too long.
std::string fitted_line(std::vector<LinePart> parts, size_t columns);

}  // namespace muster::monitoring
