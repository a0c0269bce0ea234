#include <string>

#include "monitoring/report.h"
#include "monitoring/report_view.h"

namespace muster::monitoring {
namespace {

// Text that stays text inside a table cell or a paragraph.
std::string escaped(const std::string& text) {
  std::string safe;
  for (const char byte : text) {
    if (byte == '\n' || byte == '\r' || byte == '\t') {
      safe += ' ';
      continue;
    }
    if (byte == '<') {
      safe += "&lt;";
    } else if (byte == '>') {
      safe += "&gt;";
    } else if (byte == '&') {
      safe += "&amp;";
    } else {
      if (std::string("\\`*_[]|#~").find(byte) != std::string::npos) safe += '\\';
      safe += byte;
    }
  }
  return safe;
}

// An indented block shows any text as it is.
std::string block(const std::string& text) {
  std::string indented = "    ";
  for (const char byte : text) {
    indented += byte == '\r' ? '\n' : byte;  // either ends a line in Markdown
    if (indented.back() == '\n') indented += "    ";
  }
  return indented + "\n\n";
}

std::string set_name(const proto::ReportInput& input, const std::string& name) {
  const std::string kind = kind_of_dataset(input, name);
  return escaped(name) + (kind.empty() ? "" : " (" + kind + ")");
}

std::string cross_table(const proto::ReportInput& input, const ReportView& view) {
  // The warning stands in the header, so that no part of the table goes without it.
  std::string text = std::string("| trained on \\\\ tested on") +
                     (view.has_synthetic ? " (SYNTHETIC, not comparable with the papers)" : "") +
                     " |";
  std::string rule = "|---|";
  for (const std::string& name : view.test_sets) {
    text += " " + set_name(input, name) + " |";
    rule += "---:|";
  }
  text += "\n" + rule + "\n";
  for (const ReportRow& row : view.rows) {
    text += "| " + set_name(input, row.train);
    if (!row.method.empty()) text += ", " + escaped(row.method);
    if (!row.settings.empty()) text += ", " + escaped(row.settings);
    text += " |";
    for (size_t test = 0; test < view.test_sets.size(); ++test) {
      const auto& entry = row.entries[test];
      std::string value = entry ? decimal(entry->rank1_mean_percent, 1) : "-- (missing)";
      if (entry && entry->splits > 1) {
        value += " ± " + decimal(entry->rank1_deviation_percent, 1);
      }
      const bool in_domain = entry && row.train == view.test_sets[test];
      text += in_domain ? " **" + value + "** |" : " " + value + " |";
    }
    text += "\n";
  }
  return text + "\n";
}

std::string full_table(const proto::ReportInput& input, const ReportView& view) {
  std::string text = std::string("| trained on") +
                     (view.has_synthetic ? " (SYNTHETIC, not comparable with the papers)" : "") +
                     " | tested on | method | split | rank 1 | rank 5 | rank 10 | rank 20 | mAP | "
                     "queries | gallery |\n"
                     "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const proto::ReportCell* cell : view.cells) {
    text += "| " + set_name(input, cell->train()) + " | " + set_name(input, cell->test()) + " | " +
            escaped(cell->method()) + " | " + std::to_string(cell->split()) + " |";
    for (const int rank : {1, 5, 10, 20}) {
      text += " " + decimal(matching_percent(*cell, rank), 1) + " |";
    }
    text += cell->has_mean_average_precision()
                ? " " + decimal(100 * cell->mean_average_precision(), 1) + " |"
                : " |";
    text +=
        " " + std::to_string(cell->queries()) + " | " + std::to_string(cell->gallery()) + " |\n";
  }
  return text + "\n";
}

std::string dataset_table(const proto::ReportInput& input) {
  std::string text =
      "| dataset | data | origin | tracklets | identities | frames | cameras |\n"
      "|---|---|---|---:|---:|---:|---:|\n";
  for (const proto::ReportDataset& dataset : input.datasets()) {
    text += "| " + escaped(dataset.name()) + " | " + (dataset.synthetic() ? "synthetic" : "real") +
            " | " + escaped(dataset.origin()) + " | " + std::to_string(dataset.tracklets()) +
            " | " + std::to_string(dataset.identities()) + " | " +
            std::to_string(dataset.frames()) + " | " + std::to_string(dataset.cameras()) + " |\n";
  }
  return text + "\n";
}

std::string provenance(const proto::ReportCell& cell) {
  std::string text = "### " + escaped(cell.train()) + " to " + escaped(cell.test()) + ", " +
                     escaped(cell.method()) + ", split " + std::to_string(cell.split()) + "\n\n";
  for (const proto::ReportFact& fact : cell.provenance()) {
    text += "- " + escaped(fact.name()) + ": " + escaped(fact.value()) + "\n";
  }
  if (cell.provenance_size() > 0) text += "\n";
  if (!cell.settings().empty()) {
    text += "Settings that differ from the defaults:\n\n" + block(cell.settings());
  }
  return text;
}

}  // namespace

std::string report_markdown(const proto::ReportInput& input) {
  const ReportView view = view_of(input);
  std::string text =
      "# " + escaped(input.title().empty() ? input.experiment() : input.title()) + "\n\n";
  text +=
      "How often is the right person ranked first when a network is trained on one dataset and "
      "tested on another?\n\n";
  if (view.has_synthetic) text += std::string("> **") + kSyntheticBanner + "**\n\n";
  text += "## Rank 1, %\n\n" + cross_table(input, view);
  text += "Bold: tested on the dataset it was trained on.";
  if (view.most_splits > 1) text += " Mean ± sample standard deviation over splits.";
  text += "\n\n## All measures, %\n\n" + full_table(input, view);
  text += "## Datasets\n\n" + dataset_table(input);
  text += "## Provenance\n\n";
  if (!input.commit().empty()) text += "Commit: " + escaped(input.commit()) + "\n\n";
  if (!input.command().empty()) {
    text += "This command makes the report again from its workspace:\n\n" + block(input.command());
  }
  for (const proto::ReportCell* cell : view.cells) text += provenance(*cell);
  while (text.size() > 1 && text[text.size() - 2] == '\n') text.pop_back();
  return text + "\n" + kMarkdownMark + "\n";
}

}  // namespace muster::monitoring
