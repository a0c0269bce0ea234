#include "monitoring/report.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "common/atomic_file.h"
#include "common/error.h"
#include "monitoring/report_view.h"
#include "tests/monitoring/report_input_example.h"
#include "tests/monitoring/support.h"

namespace muster::monitoring {
namespace {

const std::string kEvil = "<script>alert(1)</script>";

// Fields of RFC 4180 text.
std::vector<std::vector<std::string>> parsed_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if (quoted && byte == '"' && at + 1 < text.size() && text[at + 1] == '"') {
      rows.back().back() += text[++at];
    } else if (byte == '"') {
      quoted = !quoted;
    } else if (!quoted && byte == ',') {
      rows.back().emplace_back();
    } else if (!quoted && byte == '\n') {
      if (at + 1 < text.size()) rows.push_back({""});
    } else {
      rows.back().back() += byte;
    }
  }
  return rows;
}

// The element from its opening to its closing tag, the n-th of its kind.
std::string element(const std::string& html, const std::string& tag, size_t index) {
  size_t begin = html.find("<" + tag);
  for (; index > 0; --index) begin = html.find("<" + tag, begin + 1);
  if (begin == std::string::npos) return "";
  return html.substr(begin, html.find("</" + tag + ">", begin) - begin);
}

TEST(ReportTest, WritesThreeFilesIntoANewDirectory) {
  const TestDirectory directory;
  const auto report = directory.path() / "new" / "report";
  write_report(example_input(), report);
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(report)) {
    names.insert(entry.path().filename().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"report.csv", "report.html", "report.md"}));
}

TEST(ReportTest, TheSameInputGivesTheSameBytes) {
  const TestDirectory directory;
  write_report(synthetic_input(), directory.path());
  const std::string before = common::read_file(directory.path() / "report.html");
  write_report(synthetic_input(), directory.path());
  EXPECT_EQ(common::read_file(directory.path() / "report.html"), before);
  EXPECT_EQ(report_markdown(synthetic_input()), report_markdown(synthetic_input()));
}

TEST(ReportTest, ABadInputLeavesTheReportBefore) {
  const TestDirectory directory;
  write_report(example_input(), directory.path());
  const std::string before = common::read_file(directory.path() / "report.html");
  proto::ReportInput bad = synthetic_input();
  bad.mutable_cells(0)->set_cmc(0, 2);
  EXPECT_THROW(write_report(bad, directory.path()), common::InputError);
  EXPECT_EQ(common::read_file(directory.path() / "report.html"), before);
}

TEST(ReportTest, FilesOfOthersAreNotReplaced) {
  for (const char* name : {"report.html", "report.md", "report.csv"}) {
    const TestDirectory directory;
    const auto file = directory.path() / name;
    common::write_file_atomically(file, "train,test\nmine");
    try {
      write_report(example_input(), directory.path());
      ADD_FAILURE() << name << " was replaced";
    } catch (const common::InputError& error) {
      EXPECT_NE(std::string(error.what()).find(file.string()), std::string::npos);
    }
    EXPECT_EQ(common::read_file(file), "train,test\nmine");
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  }
}

TEST(ReportTest, ADirectoryThatCannotBeMadeIsNamed) {
  try {
    write_report(example_input(), "/proc/report");
    FAIL() << "wrote into /proc";
  } catch (const common::SystemError& error) {
    EXPECT_NE(std::string(error.what()).find("/proc/report"), std::string::npos);
  }
}

TEST(ReportHtmlTest, NeedsNoNetworkAndNoScript) {
  const std::string html = report_html(synthetic_input());
  for (const char* unwanted :
       {"http:", "https:", "<script", "<link", "<img", "src=\"", "url(", "@import", "onclick"}) {
    EXPECT_EQ(html.find(unwanted), std::string::npos) << unwanted;
  }
}

TEST(ReportHtmlTest, IdsAreUniqueAndLinksHaveTargets) {
  const std::string html = report_html(example_input());
  std::set<std::string> names;
  const std::regex id("[ \n]id=['\"]([^'\"]*)"), reference("href=['\"]#([^'\"]*)");
  for (std::sregex_iterator match(html.begin(), html.end(), id), end; match != end; ++match) {
    EXPECT_TRUE(names.insert((*match)[1]).second) << (*match)[1];
  }
  for (std::sregex_iterator match(html.begin(), html.end(), reference), end; match != end;
       ++match) {
    EXPECT_EQ(names.count((*match)[1]), 1u) << (*match)[1];
  }
}

TEST(ReportHtmlTest, EveryTextIsEscaped) {
  proto::ReportInput input;
  input.set_experiment(kEvil);
  input.set_title(kEvil);
  input.set_commit(kEvil);
  input.set_command(kEvil);
  input.add_test_sets(kEvil);
  input.add_train_sets(kEvil);
  proto::ReportCell* cell = add_cell(input, kEvil, kEvil, 0.5);
  cell->set_settings(kEvil);
  cell->set_method(kEvil);
  cell->mutable_provenance(0)->set_name(kEvil);
  cell->mutable_provenance(0)->set_value(kEvil);
  add_cell(input, kEvil, "\"' onload='x", 0.5)->set_settings(kEvil + "2");
  proto::ReportDataset* dataset = input.add_datasets();
  dataset->set_name(kEvil);
  dataset->set_origin(kEvil);
  // Indented lines of Markdown are shown as they are.
  const std::string markdown =
      std::regex_replace(report_markdown(input), std::regex("\n    .*"), "");
  for (const std::string& text : {report_html(input), markdown}) {
    EXPECT_EQ(text.find("<script"), std::string::npos);
    EXPECT_EQ(text.find("</script"), std::string::npos);
    EXPECT_NE(text.find("&lt;script&gt;alert"), std::string::npos);
    EXPECT_EQ(text.find("\"' onload='x\""), std::string::npos);
  }
}

TEST(ReportHtmlTest, TheBannerStandsAboveAndInsideTheTablesIffSomethingIsSynthetic) {
  const std::string html = report_html(synthetic_input());
  EXPECT_NE(element(html, "header", 0).find(kSyntheticBanner), std::string::npos);
  EXPECT_NE(element(html, "thead", 0).find(kSyntheticBanner), std::string::npos);
  EXPECT_NE(element(html, "thead", 1).find(kSyntheticBanner), std::string::npos);
  EXPECT_EQ(report_html(example_input()).find(kSyntheticBanner), std::string::npos);
}

TEST(ReportHtmlTest, OneSyntheticCellIsEnoughForTheBanner) {
  proto::ReportInput input = example_input();
  input.mutable_cells(4)->set_synthetic(true);
  EXPECT_NE(report_html(input).find(kSyntheticBanner), std::string::npos);
  EXPECT_NE(report_markdown(input).find(kSyntheticBanner), std::string::npos);
}

TEST(ReportHtmlTest, FiguresSayThatTheirDataAreSynthetic) {
  const std::string html = report_html(synthetic_input());
  EXPECT_NE(element(html, "svg", 0).find("tested on prid2011 (synthetic)</"), std::string::npos);
  EXPECT_NE(element(html, "svg", 2).find("tested on vtest (real)</"), std::string::npos);
}

TEST(ReportHtmlTest, EmphasisesTheCellsOfTheOwnDataset) {
  const std::string table = element(report_html(example_input()), "table", 0);
  EXPECT_EQ(occurrences(table, "class=\"own\""), 2u);
  EXPECT_NE(table.find("<td class=\"own\">84.0</td>"), std::string::npos);
  EXPECT_NE(table.find("<td>41.0</td>"), std::string::npos);
}

TEST(ReportHtmlTest, MissingCellsAreDashedAndLabelled) {
  proto::ReportInput input = example_input();
  input.mutable_cells()->RemoveLast();
  const std::string table = element(report_html(input), "table", 0);
  EXPECT_EQ(occurrences(table, "class=\"missing\">– <small>missing</small>"), 1u);
  EXPECT_EQ(occurrences(report_html(example_input()), "<td class=\"missing\""), 0u);
}

TEST(ReportHtmlTest, TheFullTableHoldsAllMeasures) {
  const std::string table = element(report_html(example_input()), "table", 1);
  EXPECT_NE(table.find("<td class=\"own\">84.0</td><td>96.8</td><td>98.4</td><td>99.2</td>"
                       "<td>42.0</td><td>60</td><td>1\u202f234</td>"),
            std::string::npos)
      << table;
}

TEST(ReportHtmlTest, HasOneFigurePerTestSetAndOneDetailsPerCell) {
  const std::string html = report_html(example_input());
  EXPECT_EQ(occurrences(html, "<figure>"), 3u);
  EXPECT_EQ(occurrences(html, "<details>"), 6u);
  EXPECT_NE(html.find("<dt>checkpoint</dt><dd>step-00000300</dd>"), std::string::npos);
}

TEST(ReportHtmlTest, AnEmptyInputStillMakesAPage) {
  EXPECT_NE(report_html(proto::ReportInput()).find("</html>"), std::string::npos);
}

TEST(ReportMarkdownTest, ShowsTheCrossTable) {
  proto::ReportInput input = synthetic_input();
  input.mutable_cells()->RemoveLast();
  const std::string text = report_markdown(input);
  EXPECT_NE(text.find("| prid2011 (synthetic) | **84.0** | 41.0 | 61.3 |\n"), std::string::npos);
  EXPECT_NE(text.find("| ilids-vid (synthetic) | 47.0 | **71.0** | -- (missing) |\n"),
            std::string::npos);
}

TEST(ReportMarkdownTest, EveryTableOfNumbersCarriesTheWarningInItsHeader) {
  const std::string warning = "(SYNTHETIC, not comparable with the papers)";
  EXPECT_EQ(occurrences(report_markdown(synthetic_input()), warning), 2u);
  EXPECT_EQ(occurrences(report_markdown(example_input()), warning), 0u);
}

TEST(ReportMarkdownTest, ABarInANameDoesNotBreakTheTable) {
  proto::ReportInput input = example_input();
  input.mutable_cells(0)->set_method("a|b");
  EXPECT_NE(report_markdown(input).find("a\\|b"), std::string::npos);
}

TEST(ReportMarkdownTest, NoLineOfACommandLeavesItsBlock) {
  proto::ReportInput input = example_input();
  input.set_command("first\r" + kEvil + "\n" + kEvil);
  EXPECT_EQ(occurrences(report_markdown(input), "\n    " + kEvil), 2u);
}

TEST(ReportCsvTest, HasTheColumnsThatOthersBuildOn) {
  const auto rows = parsed_csv(report_csv(example_input()));
  EXPECT_EQ(rows[0],
            (std::vector<std::string>{"experiment", "method", "train", "test", "split", "settings",
                                      "rank1", "rank5", "rank10", "rank20", "map", "source"}));
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(rows[3], (std::vector<std::string>{"quickstart", "STSRN", "prid2011", "vtest", "0",
                                               "training { steps: 300 }", "61.30", "92.26", "96.13",
                                               "98.06", "30.65", "measured"}));
}

TEST(ReportCsvTest, OddTextSurvivesQuoting) {
  proto::ReportInput input = example_input();
  const std::string odd = "a, \"b\"\nc";
  input.mutable_cells(0)->set_settings(odd);
  const auto rows = parsed_csv(report_csv(input));
  EXPECT_EQ(rows[1][5], odd);
  for (const auto& row : rows) EXPECT_EQ(row.size(), 12u);
}

TEST(ReportCsvTest, AMeasureThatWasNotTakenStaysEmpty) {
  proto::ReportInput input = example_input();
  input.mutable_cells(0)->clear_mean_average_precision();
  EXPECT_EQ(parsed_csv(report_csv(input))[1][10], "");
}

TEST(TerminalTableTest, LinesUpAndSaysThatWorldsAreSynthetic) {
  EXPECT_EQ(terminal_table(synthetic_input()),
            "rank-1, %; synthetic worlds: not comparable with the papers\n"
            "\n"
            "               tested on\n"
            "  trained on   prid2011   ilids-vid   vtest (real)\n"
            "  prid2011         84.0        41.0           61.3\n"
            "  ilids-vid        47.0        71.0           58.1\n");
}

TEST(TerminalTableTest, RealDataHaveNoSuchNote) {
  EXPECT_EQ(terminal_table(example_input()).find("synthetic"), std::string::npos);
  EXPECT_EQ(terminal_table(example_input()).find("(real)"), std::string::npos);
}

TEST(TerminalTableTest, AMissingCellIsADash) {
  proto::ReportInput input = example_input();
  input.mutable_cells()->RemoveLast();
  const std::string table = terminal_table(input);
  EXPECT_NE(table.find("71.0       -\n  -: missing"), std::string::npos) << table;
}

}  // namespace
}  // namespace muster::monitoring
