#include "monitoring/report_figures.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

#include "common/error.h"
#include "tests/monitoring/support.h"

namespace muster::monitoring {
namespace {

std::vector<FigureCurve> curves() {
  return {{"trained on prid2011", {50, 75, 100}, 0, true},
          {"trained on ilids-vid", {40, 60, 90}, 1, false}};
}

// Sets PATH for one test.
class ReplacedPath {
 public:
  explicit ReplacedPath(const std::string& path) : before_(std::getenv("PATH")) {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~ReplacedPath() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  const std::string before_;
};

TEST(ReportFiguresTest, IsOneElementWithoutPrologCommentOrAddress) {
  const std::string svg = matching_curves_svg("cmc1", "tested on prid2011", curves());
  EXPECT_EQ(svg.substr(0, 4), "<svg");
  for (const char* unwanted : {"<?xml", "<!--", "<!DOCTYPE", "http", "GNUPLOT", "xlink", "<desc"}) {
    EXPECT_EQ(svg.find(unwanted), std::string::npos) << unwanted;
  }
}

TEST(ReportFiguresTest, SameInputSameBytes) {
  EXPECT_EQ(matching_curves_svg("cmc1", "title", curves()),
            matching_curves_svg("cmc1", "title", curves()));
}

TEST(ReportFiguresTest, AllIdsAndReferencesBeginWithTheIdentifier) {
  const std::string svg = matching_curves_svg("cmc7", "title", curves());
  const std::regex name("(?: id=|href=)['\"]#?([^'\"]*)");
  size_t found = 0;
  for (std::sregex_iterator match(svg.begin(), svg.end(), name), end; match != end; ++match) {
    EXPECT_EQ((*match)[1].str().substr(0, 4), "cmc7") << match->str();
    ++found;
  }
  EXPECT_GT(found, 10u);
}

TEST(ReportFiguresTest, TakesItsColoursFromThePage) {
  const std::string svg = matching_curves_svg("cmc1", "title", curves());
  EXPECT_NE(svg.find("var(--curve-1)"), std::string::npos);
  EXPECT_NE(svg.find("var(--curve-2)"), std::string::npos);
  EXPECT_NE(svg.find("var(--rule)"), std::string::npos);
  EXPECT_EQ(svg.find("rgb("), std::string::npos);
  EXPECT_EQ(svg.find("black"), std::string::npos);
  EXPECT_EQ(svg.find("white"), std::string::npos);
}

TEST(ReportFiguresTest, NamesItsAxes) {
  const std::string svg = matching_curves_svg("cmc1", "title", curves());
  EXPECT_NE(svg.find(">rank<"), std::string::npos);
  EXPECT_NE(svg.find(">matching rate, %<"), std::string::npos);
}

TEST(ReportFiguresTest, LabelsStayText) {
  const TestDirectory directory;
  const std::string file = (directory.path() / "made-by-a-label").string();
  std::vector<FigureCurve> odd = curves();
  odd[0].label = "<script>'\"`touch " + file + "`\nsystem('touch " + file + "')";
  odd[1].label = "é \xff _^{x} \\";
  const std::string svg = matching_curves_svg("cmc1", "</svg><script>", odd);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_EQ(occurrences(svg, "</svg>"), 1u);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(ReportFiguresTest, AMissingGnuplotIsNamedWithItsPackage) {
  const TestDirectory directory;
  const ReplacedPath path(directory.path().string());
  try {
    matching_curves_svg("cmc1", "title", curves());
    FAIL() << "drew without gnuplot";
  } catch (const common::SystemError& error) {
    EXPECT_NE(std::string(error.what()).find("gnuplot-nox"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace muster::monitoring
