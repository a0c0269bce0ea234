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

std::string target_of(const TableRow& row) {
  if (row.target <= 0) return "-";
  const bool missed = row.at_most ? row.ratio > row.target : row.ratio < row.target;
  return (row.at_most ? "at most " : "") + rounded(row.target, 2) + (missed ? " missed" : "");
}

Cells cells_of(const TableRow& row) {
  return {row.path,
          row.limit,
          with_unit(row.measured, row.unit),
          with_unit(row.bound, row.unit),
          rounded(row.ratio, 2),
          target_of(row),
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

std::vector<TableRow> rows_of_json(const std::string& text) {
  std::vector<TableRow> rows;
  for (const nlohmann::json& value : nlohmann::json::parse(text)) {
    TableRow row;
    row.path = value.at("path");
    row.limit = value.at("limit");
    row.measured = value.at("measured");
    row.bound = value.at("bound");
    row.ratio = value.at("ratio");
    row.target = value.at("target");
    row.at_most = value.at("at_most");
    row.unit = value.at("unit");
    row.note = value.at("note");
    rows.push_back(std::move(row));
  }
  return rows;
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
                    {"at_most", row.at_most},
                    {"unit", row.unit},
                    {"note", row.note}});
  }
  out << list.dump(1) << "\n";
}

}  // namespace muster::benchmarks
