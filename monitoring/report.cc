#include "monitoring/report.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/atomic_file.h"
#include "common/error.h"
#include "monitoring/report_view.h"
#include "monitoring/terminal_text.h"

namespace muster::monitoring {
namespace fs = std::filesystem;

namespace {

std::string padded_left(const std::string& text, size_t columns) {
  const size_t used = columns_of(text);
  return std::string(columns > used ? columns - used : 0, ' ') + text;
}

std::string padded_right(const std::string& text, size_t columns) {
  const size_t used = columns_of(text);
  return text + std::string(columns > used ? columns - used : 0, ' ');
}

// "vtest (real)" where synthetic sets stand beside it.
std::string set_label(const proto::ReportInput& input, const std::string& name, bool mixed) {
  const std::string kind = kind_of_dataset(input, name);
  return printable(name) + (mixed && kind == "real" ? " (real)" : "");
}

std::string row_label(const proto::ReportInput& input, const ReportRow& row, bool mixed) {
  std::string label = set_label(input, row.train, mixed);
  if (!row.method.empty()) label += " " + printable(row.method);
  if (!row.settings.empty()) label += " " + printable(first_line(row.settings));
  return label;
}

std::string entry_text(const std::optional<ReportEntry>& entry) {
  if (!entry) return "-";
  std::string text = decimal(entry->rank1_mean_percent, 1);
  if (entry->splits > 1) text += " +-" + decimal(entry->rank1_deviation_percent, 1);
  return text;
}

// Nothing but a report of ours is replaced.
void require_replaceable(const fs::path& file, const std::string& mark) {
  std::error_code ignored;
  if (fs::exists(file, ignored) && (!fs::is_regular_file(file, ignored) ||
                                    common::read_file(file).find(mark) == std::string::npos)) {
    throw common::InputError(file.string(), "already exists and is not a report of muster's",
                             "choose another --out or move it away");
  }
  common::remove_stale_temporaries(file);
}

}  // namespace

void write_report(const proto::ReportInput& input, const fs::path& directory) {
  for (const auto& [name, mark] : {std::pair<const char*, const char*>("report.html", kHtmlMark),
                                   {"report.md", kMarkdownMark},
                                   {"report.csv", kCsvHeader}}) {
    require_replaceable(directory / name, mark);
  }
  const std::pair<const char*, std::string> files[] = {{"report.html", report_html(input)},
                                                       {"report.md", report_markdown(input)},
                                                       {"report.csv", report_csv(input)}};
  common::make_directories(directory);
  for (const auto& [name, text] : files) common::write_file_atomically(directory / name, text);
}

std::string terminal_table(const proto::ReportInput& input) {
  const ReportView view = view_of(input);
  std::string text = "rank-1, %";
  if (view.has_synthetic) text += "; synthetic worlds: not comparable with the papers";
  if (view.most_splits > 1) text += "; mean +-standard deviation over splits";
  text += "\n\n";
  size_t label_columns = columns_of("trained on");
  for (const ReportRow& row : view.rows) {
    label_columns = std::max(label_columns, columns_of(row_label(input, row, view.has_synthetic)));
  }
  std::string header = "  " + padded_right("trained on", label_columns);
  std::vector<size_t> widths;
  for (size_t test = 0; test < view.test_sets.size(); ++test) {
    const std::string label = set_label(input, view.test_sets[test], view.has_synthetic);
    size_t width = columns_of(label);
    for (const ReportRow& row : view.rows) {
      width = std::max(width, columns_of(entry_text(row.entries[test])));
    }
    widths.push_back(width);
    header += "   " + padded_left(label, width);
  }
  text += std::string(label_columns + 5, ' ') + "tested on\n" + header + "\n";
  for (const ReportRow& row : view.rows) {
    text += "  " + padded_right(row_label(input, row, view.has_synthetic), label_columns);
    for (size_t test = 0; test < view.test_sets.size(); ++test) {
      text += "   " + padded_left(entry_text(row.entries[test]), widths[test]);
    }
    text += "\n";
  }
  if (view.has_missing) text += "  -: missing, not computed yet\n";
  return text;
}

}  // namespace muster::monitoring
