#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "monitoring/report.h"
#include "monitoring/report_figures.h"
#include "monitoring/report_style.h"
#include "monitoring/report_view.h"

namespace muster::monitoring {
namespace {

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char byte : text) {
    switch (byte) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += byte;
    }
  }
  return safe;
}

std::string with_kind(const proto::ReportInput& input, const std::string& name) {
  const std::string kind = kind_of_dataset(input, name);
  return escaped(name) + (kind.empty() ? "" : " <span class=\"kind\">" + kind + "</span>");
}

std::string listed(const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::string text;
  for (int index = 0; index < names.size(); ++index) {
    if (index > 0) text += index + 1 == names.size() ? " and " : ", ";
    text += escaped(names[index]);
  }
  return text.empty() ? "nothing" : text;
}

std::string count_text(bool known, int64_t count) {
  if (!known) return "";
  std::string digits = std::to_string(count);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0 && count > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), "\u202f");
  }
  return digits;
}

std::string warning_row(const ReportView& view, size_t columns) {
  if (!view.has_synthetic) return "";
  return "<tr><th class=\"warning\" colspan=\"" + std::to_string(columns) + "\">" +
         kSyntheticBanner + "</th></tr>\n";
}

std::string cell_title(const proto::ReportCell& cell) {
  std::string title = escaped(cell.train()) + " → " + escaped(cell.test());
  if (!cell.method().empty()) title += ", " + escaped(cell.method());
  return title + ", split " + std::to_string(cell.split());
}

void write_head(std::ostream& page, const proto::ReportInput& input, const ReportView& view) {
  const std::string title = escaped(input.title().empty() ? input.experiment() : input.title());
  page << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
       << kHtmlMark << "\n"
       << "<meta http-equiv=\"Content-Security-Policy\" "
          "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
       << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
       << title << "</title>\n<style>" << kReportStyle
       << "</style>\n</head>\n<body>\n<header>\n<h1>" << title
       << "</h1>\n<p class=\"experiment\">Experiment " << escaped(input.experiment());
  if (!input.commit().empty()) page << ", commit " << escaped(input.commit());
  page << "</p>\n<p>How often is the right person ranked first when a network is trained on one "
          "dataset and tested on another? Trained on "
       << listed(input.train_sets()) << "; tested on " << listed(input.test_sets()) << ".</p>\n";
  if (view.in_domain_mean_percent && view.cross_domain_mean_percent) {
    page << "<p class=\"answer\">On the dataset it was trained on: <strong>"
         << decimal(*view.in_domain_mean_percent, 1)
         << " %</strong> on average. On another: <strong>"
         << decimal(*view.cross_domain_mean_percent, 1) << " %</strong>.</p>\n";
  }
  if (view.has_synthetic) page << "<p class=\"banner\">" << kSyntheticBanner << "</p>\n";
  page << "</header>\n<main>\n";
}

void write_entry(std::ostream& page, const std::optional<ReportEntry>& entry, bool in_domain) {
  if (!entry) {
    page << "<td class=\"missing\">– <small>missing</small></td>";
    return;
  }
  page << (in_domain ? "<td class=\"own\">" : "<td>") << decimal(entry->rank1_mean_percent, 1);
  if (entry->splits > 1) {
    page << " <span class=\"spread\">± " << decimal(entry->rank1_deviation_percent, 1) << "</span>";
  }
  page << "</td>";
}

void write_matrix(std::ostream& page, const proto::ReportInput& input, const ReportView& view) {
  const size_t columns = view.test_sets.size();
  page << "<section>\n<h2>Rank 1</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Rank 1\">\n<table class=\"matrix\">\n<caption>Rank-1 matching rate, %. "
          "Bold: tested on the dataset it was trained on.";
  if (view.most_splits > 1) page << " Mean ± sample standard deviation over splits.";
  page << "</caption>\n<thead>\n"
       << warning_row(view, columns + 1)
       << "<tr><td></td><th class=\"over\" scope=\"colgroup\" colspan=\""
       << std::max<size_t>(1, columns)
       << "\">tested on</th></tr>\n<tr class=\"under\"><th class=\"name\" scope=\"col\">trained "
          "on</th>";
  for (const std::string& name : view.test_sets) {
    page << "<th scope=\"col\">" << with_kind(input, name) << "</th>";
  }
  page << "</tr>\n</thead>\n<tbody>\n";
  for (const ReportRow& row : view.rows) {
    page << "<tr><th class=\"name\" scope=\"row\">" << with_kind(input, row.train);
    if (!row.method.empty())
      page << " <span class=\"variant\">" << escaped(row.method) << "</span>";
    if (!row.settings.empty()) {
      page << " <span class=\"variant\">" << escaped(row.settings) << "</span>";
    }
    page << "</th>";
    for (size_t test = 0; test < columns; ++test) {
      write_entry(page, row.entries[test], row.train == view.test_sets[test]);
    }
    page << "</tr>\n";
  }
  page << "</tbody>\n</table>\n</div>\n</section>\n";
}

void write_full_table(std::ostream& page, const ReportView& view) {
  page << "<section>\n<h2>All measures</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"All measures\">\n<table class=\"full\">\n<caption>Matching rate at ranks 1 "
          "to 20 and mean average precision (mAP), %. Beyond the size "
          "of the gallery the rate is that of the whole gallery.</caption>\n<thead>\n"
       << warning_row(view, 12)
       << "<tr><th class=\"name\" scope=\"col\">trained on</th><th class=\"name\" scope=\"col\">"
          "tested on</th><th class=\"name\" scope=\"col\">method</th>";
  for (const char* name :
       {"split", "rank 1", "rank 5", "rank 10", "rank 20", "mAP", "queries", "gallery", "facts"}) {
    page << "<th scope=\"col\">" << name << "</th>";
  }
  page << "</tr>\n</thead>\n<tbody>\n";
  std::string train;
  for (size_t index = 0; index < view.cells.size(); ++index) {
    const proto::ReportCell& cell = *view.cells[index];
    page << (cell.train() != train ? "<tr class=\"group\">" : "<tr>")
         << "<th class=\"name\" scope=\"row\">" << escaped(cell.train())
         << "</th><td class=\"name\">" << escaped(cell.test()) << "</td><td class=\"name\">"
         << escaped(cell.method()) << "</td><td>" << cell.split() << "</td>";
    train = cell.train();
    for (const int rank : {1, 5, 10, 20}) {
      const bool own = rank == 1 && cell.train() == cell.test();
      page << (own ? "<td class=\"own\">" : "<td>") << decimal(matching_percent(cell, rank), 1)
           << "</td>";
    }
    page << "<td>"
         << (cell.has_mean_average_precision() ? decimal(100 * cell.mean_average_precision(), 1)
                                               : "–")
         << "</td><td>" << count_text(cell.has_queries(), cell.queries()) << "</td><td>"
         << count_text(cell.has_gallery(), cell.gallery()) << "</td><td><a href=\"#cell-"
         << index + 1 << "\">" << index + 1 << "</a></td></tr>\n";
  }
  page << "</tbody>\n</table>\n</div>\n</section>\n";
}

void write_curves(std::ostream& page, const proto::ReportInput& input, const ReportView& view) {
  page << "<section>\n<h2>Matching curves</h2>\n<p class=\"caption\">Share of queries whose person "
          "is among the first k of the ranking, k from 1 to 20. Thick: tested on the dataset it "
          "was trained on.</p>\n<div class=\"figures\">\n";
  for (size_t test = 0; test < view.test_sets.size(); ++test) {
    const std::string& name = view.test_sets[test];
    std::vector<FigureCurve> curves;
    for (size_t index = 0; index < view.rows.size(); ++index) {
      const ReportRow& row = view.rows[index];
      if (!row.entries[test]) continue;
      std::string label = "trained on " + row.train;
      if (!row.method.empty()) label += ", " + row.method;
      if (!row.settings.empty()) label += ", " + row.settings;
      curves.push_back({label, row.entries[test]->curve_mean_percent, index, row.train == name});
    }
    if (curves.empty()) continue;
    // The kind goes into the drawing itself: a figure is copied without its caption.
    const std::string kind = kind_of_dataset(input, name);
    const std::string title = "tested on " + name + (kind.empty() ? "" : " (" + kind + ")");
    std::string svg = matching_curves_svg("cmc" + std::to_string(test + 1), title, curves);
    svg.insert(svg.find("<svg") + 4, " role=\"img\" aria-label=\"" + escaped(title) + "\"");
    page << "<figure>\n" << svg << "</figure>\n";
  }
  page << "</div>\n</section>\n";
}

void write_datasets(std::ostream& page, const proto::ReportInput& input) {
  page << "<section>\n<h2>Datasets</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Datasets\">\n<table class=\"full\">\n<thead>\n<tr>"
          "<th class=\"name\" scope=\"col\">dataset</th><th class=\"name\" scope=\"col\">data</th>"
          "<th class=\"name\" scope=\"col\">origin</th>";
  for (const char* name : {"tracklets", "identities", "frames", "cameras"}) {
    page << "<th scope=\"col\">" << name << "</th>";
  }
  page << "</tr>\n</thead>\n<tbody>\n";
  for (const proto::ReportDataset& dataset : input.datasets()) {
    page << "<tr><th class=\"name\" scope=\"row\">" << escaped(dataset.name())
         << "</th><td class=\"name\">" << (dataset.synthetic() ? "synthetic" : "real")
         << "</td><td class=\"origin\">" << escaped(dataset.origin()) << "</td><td>"
         << count_text(dataset.has_tracklets(), dataset.tracklets()) << "</td><td>"
         << count_text(dataset.has_identities(), dataset.identities()) << "</td><td>"
         << count_text(dataset.has_frames(), dataset.frames()) << "</td><td>"
         << count_text(dataset.has_cameras(), dataset.cameras()) << "</td></tr>\n";
  }
  page << "</tbody>\n</table>\n</div>\n</section>\n";
}

void write_provenance(std::ostream& page, const proto::ReportInput& input, const ReportView& view) {
  page << "<section>\n<h2>Where each number comes from</h2>\n";
  if (!input.command().empty()) {
    page << "<p>This command makes the report again from its workspace:</p>\n<pre>"
         << escaped(input.command()) << "</pre>\n";
  }
  for (size_t index = 0; index < view.cells.size(); ++index) {
    const proto::ReportCell& cell = *view.cells[index];
    page << "<details>\n<summary>" << index + 1 << ". " << cell_title(cell) << ": rank 1 "
         << decimal(matching_percent(cell, 1), 1) << " %</summary>\n<div class=\"facts\" id=\"cell-"
         << index + 1 << "\">\n<dl>\n<dt>data</dt><dd>"
         << (cell.synthetic() ? "synthetic, not comparable with the papers" : "real") << "</dd>\n";
    std::string command;
    for (const proto::ReportFact& fact : cell.provenance()) {
      if (fact.name() == "command") {
        command += fact.value();
      } else {
        page << "<dt>" << escaped(fact.name()) << "</dt><dd>" << escaped(fact.value()) << "</dd>\n";
      }
    }
    page << "</dl>\n";
    if (!cell.settings().empty()) {
      page << "<p>Settings that differ from the defaults:</p>\n<pre>" << escaped(cell.settings())
           << "</pre>\n";
    }
    if (!command.empty()) page << "<p>Command:</p>\n<pre>" << escaped(command) << "</pre>\n";
    page << "</div>\n</details>\n";
  }
  page << "</section>\n";
}

}  // namespace

std::string report_html(const proto::ReportInput& input) {
  const ReportView view = view_of(input);
  std::ostringstream page;
  write_head(page, input, view);
  write_matrix(page, input, view);
  write_curves(page, input, view);
  write_full_table(page, view);
  if (input.datasets_size() > 0) write_datasets(page, input);
  write_provenance(page, input, view);
  page << "</main>\n</body>\n</html>\n";
  return page.str();
}

}  // namespace muster::monitoring
