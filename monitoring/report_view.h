// What every form of the report shows, worked out once: order, groups, means over splits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proto/report_input.pb.h"

namespace muster::monitoring {

// What a page, a text and a table of ours begin with or hold; other files are never replaced.
inline constexpr char kHtmlMark[] = "<meta name=\"generator\" content=\"muster\">";
inline constexpr char kMarkdownMark[] = "<!-- generator: muster -->";
inline constexpr char kCsvHeader[] =
    "experiment,method,train,test,split,settings,rank1,rank5,rank10,rank20,map,source\n";

// The cells of one row and one column; percent.
struct ReportEntry {
  double rank1_mean_percent = 0;
  double rank1_deviation_percent = 0;  // sample standard deviation; 0 for one split
  int splits = 0;
  std::vector<double> curve_mean_percent;  // matching rate at ranks 1 to 20
};

// One training set, and one method (and settings) where there are several.
struct ReportRow {
  std::string train;
  std::string method, settings;                     // empty where all rows share one
  std::vector<std::optional<ReportEntry>> entries;  // by test set; none: missing
};

struct ReportView {
  std::vector<std::string> test_sets;
  std::vector<ReportRow> rows;
  std::vector<const proto::ReportCell*> cells;  // scored ones, by train, method, test, split
  bool has_synthetic = false;
  bool has_missing = false;
  int most_splits = 1;
  std::optional<double> in_domain_mean_percent, cross_domain_mean_percent;  // of the entries
};

constexpr int kLastRank = 20;
inline constexpr const char* kSyntheticBanner =
    "Synthetic data: rendered worlds, not filmed people. Not comparable with the papers.";

// Points into `input`. A cell without cmc counts as missing. Throws InputError that names the
// experiment if a ratio is outside 0 to 1 or two cells are the same.
ReportView view_of(const proto::ReportInput& input);

// Matching rate at `rank`; beyond the gallery that of the last rank.
double matching_percent(const proto::ReportCell& cell, int rank);

// "synthetic", "real", or empty for a set that the input does not describe.
std::string kind_of_dataset(const proto::ReportInput& input, const std::string& name);

// A text's first line, ended by an ellipsis if there is more.
std::string first_line(const std::string& text);

// Digits with a point, never a locale's comma.
std::string decimal(double value, int digits);

}  // namespace muster::monitoring
