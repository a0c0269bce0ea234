#include "monitoring/terminal_text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "common/error.h"

namespace muster::monitoring {
namespace {

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

size_t columns_of(const std::string& text) {
  return text.size() - std::count_if(text.begin(), text.end(), continues_character);
}

std::string cut_to(const std::string& text, size_t columns) {
  size_t bytes = 0;
  for (size_t seen = 0; bytes < text.size(); ++bytes) {
    if (!continues_character(text[bytes]) && seen++ == columns) break;
  }
  return text.substr(0, bytes);
}

std::string printable(const std::string& text) { return common::one_line(text); }

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

std::string duration_text(double seconds) {
  if (!(seconds < 1e9)) return "unknown";
  const int64_t whole = std::max<int64_t>(0, std::llround(seconds));
  if (whole < 60) return std::to_string(whole) + " s";
  const int64_t minutes = whole / 60;
  if (minutes < 10) return std::to_string(minutes) + " min " + std::to_string(whole % 60) + " s";
  if (minutes < 60) return std::to_string(minutes) + " min";
  const int64_t hours = minutes / 60;
  if (hours < 48) return std::to_string(hours) + " h " + std::to_string(minutes % 60) + " min";
  return std::to_string(hours / 24) + " d " + std::to_string(hours % 24) + " h";
}

std::string rate_text(double per_second) {
  return formatted(per_second < 10 ? "%.1f" : "%.0f", per_second) + "/s";
}

std::string fitted_line(std::vector<LinePart> parts, size_t columns) {
  while (true) {
    std::string line;
    for (const LinePart& part : parts) line += (line.empty() ? "" : "  ") + part.text;
    const auto weakest = std::max_element(
        parts.begin(), parts.end(),
        [](const LinePart& a, const LinePart& b) { return a.gives_way < b.gives_way; });
    if (columns_of(line) <= columns || weakest == parts.end() || weakest->gives_way == 0) {
      return cut_to(line, columns);
    }
    parts.erase(weakest);
  }
}

}  // namespace muster::monitoring
