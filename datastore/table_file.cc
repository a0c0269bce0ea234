#include "datastore/table_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::datastore {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

TableFile::TableFile(const std::filesystem::path& path)
    : path_(path), text_(common::read_file(path)) {
  if (text_.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
    position_ = kByteOrderMark.size();
  }
}

std::optional<TableRow> TableFile::next() {
  while (position_ < text_.size()) {
    const size_t end = std::min(text_.find('\n', position_), text_.size());
    std::string_view rest =
        without_blanks(std::string_view(text_).substr(position_, end - position_));
    position_ = end + 1;
    ++line_;
    if (rest.empty()) continue;
    TableRow row{line_, {}};
    for (size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
      row.cells.push_back(without_blanks(rest.substr(0, comma)));
      rest.remove_prefix(comma + 1);
    }
    row.cells.push_back(without_blanks(rest));
    return row;
  }
  return std::nullopt;
}

void TableFile::require_heading(const std::string& heading) {
  const std::optional<TableRow> row = next();
  std::string found;
  if (row) {
    for (const std::string_view cell : row->cells)
      found.append(found.empty() ? "" : ",").append(cell);
  }
  if (found == heading) return;
  throw common::InputError(place_of_line(path_, row ? row->line : 1),
                           row ? "the heading is '" + found + "'" : "is empty",
                           "the first line must be '" + heading + "'");
}

std::string place_of_line(const std::filesystem::path& path, int64_t line) {
  return path.string() + " line " + std::to_string(line);
}

std::optional<double> number_in(std::string_view cell) {
  double value = 0;
  const char* end = cell.data() + cell.size();
  const auto parsed = std::from_chars(cell.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<int32_t> whole_number_in(std::string_view cell) {
  const std::optional<double> value = number_in(cell);
  if (!value || std::abs(*value) > 999999999 || std::floor(*value) != *value) return std::nullopt;
  return static_cast<int32_t>(*value);
}

}  // namespace muster::datastore
