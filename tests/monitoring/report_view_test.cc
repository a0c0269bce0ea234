#include "monitoring/report_view.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/error.h"
#include "tests/monitoring/report_input_example.h"

namespace muster::monitoring {
namespace {

TEST(ReportViewTest, HasARowForEachTrainingSetAndAnEntryForEachTestSet) {
  const proto::ReportInput input = example_input();
  const ReportView view = view_of(input);
  ASSERT_EQ(view.rows.size(), 2u);
  EXPECT_EQ(view.rows[1].train, "ilids-vid");
  EXPECT_DOUBLE_EQ(view.rows[1].entries[0]->rank1_mean_percent, 47);
  EXPECT_FALSE(view.has_missing);
}

TEST(ReportViewTest, MeansTellOwnFromOtherDatasets) {
  const proto::ReportInput input = example_input();
  const ReportView view = view_of(input);
  EXPECT_NEAR(*view.in_domain_mean_percent, (84 + 71) / 2.0, 1e-9);
  EXPECT_NEAR(*view.cross_domain_mean_percent, (41 + 61.3 + 47 + 58.1) / 4, 1e-9);
}

TEST(ReportViewTest, SplitsBecomeMeanAndSampleDeviation) {
  proto::ReportInput input;
  add_cell(input, "mars", "mars", 0.70, 0);
  add_cell(input, "mars", "mars", 0.74, 1);
  const ReportView view = view_of(input);
  ASSERT_EQ(view.rows.size(), 1u);
  EXPECT_NEAR(view.rows[0].entries[0]->rank1_mean_percent, 72, 1e-9);
  EXPECT_NEAR(view.rows[0].entries[0]->rank1_deviation_percent, 2.8284271, 1e-6);
  EXPECT_EQ(view.most_splits, 2);
}

TEST(ReportViewTest, ACellThatIsNotGivenOrHasNoCurveIsMissing) {
  proto::ReportInput input = example_input();
  input.mutable_cells(5)->clear_cmc();
  const ReportView view = view_of(input);
  EXPECT_TRUE(view.has_missing);
  EXPECT_FALSE(view.rows[1].entries[2].has_value());
  EXPECT_EQ(view.cells.size(), 5u);
}

TEST(ReportViewTest, ATrainingSetWithoutCellsKeepsItsRow) {
  proto::ReportInput input = example_input();
  input.add_train_sets("mars");
  const ReportView view = view_of(input);
  ASSERT_EQ(view.rows.size(), 3u);
  EXPECT_EQ(view.rows[2].train, "mars");
  EXPECT_EQ(view.rows[2].entries.size(), 3u);
}

TEST(ReportViewTest, MethodsHaveRowsOfTheirOwn) {
  proto::ReportInput input = example_input();
  add_cell(input, "prid2011", "prid2011", 0.5)->set_method("TRL");
  const ReportView view = view_of(input);
  ASSERT_EQ(view.rows.size(), 3u);
  EXPECT_EQ(view.rows[0].method, "STSRN");
  EXPECT_EQ(view.rows[1].method, "TRL");
}

TEST(ReportViewTest, SettingsThatDifferForOnePairHaveRowsOfTheirOwn) {
  proto::ReportInput input;
  add_cell(input, "mars", "mars", 0.5)->set_settings("beta: 0.1");
  add_cell(input, "mars", "mars", 0.6)->set_settings("beta: 0.2");
  const ReportView view = view_of(input);
  ASSERT_EQ(view.rows.size(), 2u);
  EXPECT_EQ(view.rows[1].settings, "beta: 0.2");
}

TEST(ReportViewTest, RanksBeyondTheGalleryUseItsLast) {
  proto::ReportCell cell;
  cell.add_cmc(0.5);
  cell.add_cmc(1.0);
  EXPECT_DOUBLE_EQ(matching_percent(cell, 1), 50);
  EXPECT_DOUBLE_EQ(matching_percent(cell, 20), 100);
}

TEST(ReportViewTest, RefusesRatiosThatAreNone) {
  for (const double ratio : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    proto::ReportInput input = example_input();
    input.mutable_cells(3)->set_cmc(4, ratio);
    EXPECT_THROW(view_of(input), common::InputError) << ratio;
  }
}

TEST(ReportViewTest, RefusesTheSameCellTwice) {
  proto::ReportInput input = example_input();
  *input.add_cells() = input.cells(0);
  EXPECT_THROW(view_of(input), common::InputError);
}

TEST(ReportViewTest, AnEmptyInputHasNoRows) {
  const proto::ReportInput input;
  EXPECT_TRUE(view_of(input).rows.empty());
}

}  // namespace
}  // namespace muster::monitoring
