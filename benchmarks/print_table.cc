#include "benchmarks/print_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace muster::benchmarks {
namespace {

constexpr size_t kColumns = 7;
using Cells = std::array<std::string, kColumns>;

std::string rounded(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string with_unit(double value, const std::string& unit) {
  return rounded(value, value < 100 ? 2 : 0) + " " + unit;
}

Cells cells_of(const TableRow& row) {
  return {row.path,
          row.limit,
          with_unit(row.measured, row.unit),
          with_unit(row.bound, row.unit),
          rounded(row.ratio, 2),
          row.target > 0 ? rounded(row.target, 2) : "-",
          row.note};
}

}  // namespace

void print_table(const std::vector<TableRow>& rows, std::ostream& out) {
  std::vector<Cells> lines = {{"path", "limit", "measured", "of the limit", "ratio", "target", ""}};
  for (const TableRow& row : rows) lines.push_back(cells_of(row));
  for (const Cells& line : lines) {
    for (size_t column = 0; column + 1 < kColumns; ++column) {
      size_t width = 0;
      for (const Cells& other : lines) width = std::max(width, other[column].size());
      out << line[column] << std::string(width + 2 - line[column].size(), ' ');
    }
    out << line.back() << "\n";
  }
}

void print_json(const std::vector<TableRow>& rows, std::ostream& out) {
  nlohmann::json list = nlohmann::json::array();
  for (const TableRow& row : rows) {
    list.push_back({{"path", row.path},
                    {"limit", row.limit},
                    {"measured", row.measured},
                    {"bound", row.bound},
                    {"ratio", row.ratio},
                    {"target", row.target},
                    {"unit", row.unit},
                    {"note", row.note}});
  }
  out << list.dump(1) << "\n";
}

}  // namespace muster::benchmarks
