#include "monitoring/report_view.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>

#include "common/error.h"

namespace muster::monitoring {
namespace {

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

size_t position(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

void require_ratio(const proto::ReportInput& input, const proto::ReportCell& cell, double ratio) {
  if (ratio >= 0 && ratio <= 1) return;
  throw common::InputError("report " + input.experiment(),
                           "the cell trained on " + cell.train() + " and tested on " + cell.test() +
                               " holds " + decimal(ratio, 3),
                           "ratios are from 0 to 1");
}

// Whether rows of one training set and method must be told apart by their settings.
bool settings_differ(const proto::ReportInput& input) {
  using Key = std::tuple<std::string, std::string, std::string, int>;
  std::map<Key, std::set<std::string>> settings;
  bool differ = false;
  for (const proto::ReportCell& cell : input.cells()) {
    auto& seen = settings[{cell.train(), cell.test(), cell.method(), cell.split()}];
    if (!seen.insert(cell.settings()).second) {
      throw common::InputError("report " + input.experiment(),
                               "two cells are trained on " + cell.train() + ", tested on " +
                                   cell.test() + ", method " + cell.method() + ", split " +
                                   std::to_string(cell.split()),
                               "give each cell once");
    }
    differ = differ || seen.size() > 1;
  }
  return differ;
}

ReportEntry entry_of(const std::vector<const proto::ReportCell*>& cells) {
  ReportEntry entry;
  entry.splits = static_cast<int>(cells.size());
  entry.curve_mean_percent.assign(kLastRank, 0);
  for (const proto::ReportCell* cell : cells) {
    for (int rank = 1; rank <= kLastRank; ++rank) {
      entry.curve_mean_percent[rank - 1] += matching_percent(*cell, rank) / entry.splits;
    }
  }
  entry.rank1_mean_percent = entry.curve_mean_percent[0];
  double squares = 0;
  for (const proto::ReportCell* cell : cells) {
    squares += std::pow(matching_percent(*cell, 1) - entry.rank1_mean_percent, 2);
  }
  if (entry.splits > 1) entry.rank1_deviation_percent = std::sqrt(squares / (entry.splits - 1));
  return entry;
}

// The rows of one training set; a set without any cell still gets one.
std::vector<ReportRow> rows_of(const ReportView& view, const std::string& train, bool by_method,
                               bool by_settings) {
  std::vector<ReportRow> rows;
  std::vector<std::vector<std::vector<const proto::ReportCell*>>> cells;  // [row][test]
  for (const proto::ReportCell* cell : view.cells) {
    if (cell->train() != train) continue;
    const std::string method = by_method ? cell->method() : "";
    const std::string settings = by_settings ? cell->settings() : "";
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const ReportRow& row) {
      return row.method == method && row.settings == settings;
    });
    const auto row = static_cast<size_t>(found - rows.begin());
    if (found == rows.end()) {
      rows.push_back({train, method, settings, {}});
      cells.emplace_back(view.test_sets.size());
    }
    cells[row][position(view.test_sets, cell->test())].push_back(cell);
  }
  if (rows.empty()) {
    rows.push_back({train, "", "", {}});
    cells.emplace_back(view.test_sets.size());
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const auto& group : cells[row]) {
      rows[row].entries.push_back(group.empty() ? std::nullopt
                                                : std::optional<ReportEntry>(entry_of(group)));
    }
  }
  return rows;
}

std::optional<double> mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

void summarise(ReportView& view) {
  std::vector<double> in_domain, cross_domain;
  for (const ReportRow& row : view.rows) {
    for (size_t test = 0; test < view.test_sets.size(); ++test) {
      const auto& entry = row.entries[test];
      view.has_missing = view.has_missing || !entry;
      if (!entry) continue;
      view.most_splits = std::max(view.most_splits, entry->splits);
      (view.test_sets[test] == row.train ? in_domain : cross_domain)
          .push_back(entry->rank1_mean_percent);
    }
  }
  view.in_domain_mean_percent = mean_of(in_domain);
  view.cross_domain_mean_percent = mean_of(cross_domain);
}

}  // namespace

ReportView view_of(const proto::ReportInput& input) {
  ReportView view;
  std::vector<std::string> train_sets, methods;
  for (const std::string& name : input.test_sets()) add_once(view.test_sets, name);
  for (const std::string& name : input.train_sets()) add_once(train_sets, name);
  const bool by_settings = settings_differ(input);
  for (const proto::ReportCell& cell : input.cells()) {
    add_once(view.test_sets, cell.test());
    add_once(train_sets, cell.train());
    if (cell.cmc().empty()) continue;
    for (const double ratio : cell.cmc()) require_ratio(input, cell, ratio);
    if (cell.has_mean_average_precision()) {
      require_ratio(input, cell, cell.mean_average_precision());
    }
    add_once(methods, cell.method());
    view.cells.push_back(&cell);
    view.has_synthetic = view.has_synthetic || cell.synthetic();
  }
  std::stable_sort(view.cells.begin(), view.cells.end(),
                   [&](const proto::ReportCell* a, const proto::ReportCell* b) {
                     const auto key = [&](const proto::ReportCell& cell) {
                       return std::make_tuple(position(train_sets, cell.train()),
                                              position(methods, cell.method()),
                                              position(view.test_sets, cell.test()), cell.split());
                     };
                     return key(*a) < key(*b);
                   });
  for (const std::string& train : train_sets) {
    for (ReportRow& row : rows_of(view, train, methods.size() > 1, by_settings)) {
      view.rows.push_back(std::move(row));
    }
  }
  summarise(view);
  return view;
}

double matching_percent(const proto::ReportCell& cell, int rank) {
  MUSTER_REQUIRE(cell.cmc_size(), >, 0);
  return 100 * cell.cmc(std::min(rank, cell.cmc_size()) - 1);
}

std::string kind_of_dataset(const proto::ReportInput& input, const std::string& name) {
  for (const proto::ReportDataset& dataset : input.datasets()) {
    if (dataset.name() == name) return dataset.synthetic() ? "synthetic" : "real";
  }
  return "";
}

std::string first_line(const std::string& text) {
  const size_t end = text.find_first_of("\r\n");
  if (end == std::string::npos) return text;
  const bool more = text.find_first_not_of("\r\n", end) != std::string::npos;
  return text.substr(0, end) + (more ? " ..." : "");
}

std::string decimal(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  std::replace(text, text + sizeof(text), ',', '.');
  return text;
}

}  // namespace muster::monitoring
