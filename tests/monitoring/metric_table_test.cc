#include "monitoring/metric_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "common/atomic_file.h"

namespace muster::monitoring {
namespace {

TEST(MetricTableTest, NamesAreUniqueAndPrefixed) {
  std::set<std::string> names;
  for (const MetricDescription& metric : metric_table()) {
    EXPECT_EQ(metric.name.rfind("muster_", 0), 0u) << metric.name;
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
  }
}

TEST(MetricTableTest, OnlyCountersEndInTotal) {
  for (const MetricDescription& metric : metric_table()) {
    const bool total =
        metric.name.size() > 6 && metric.name.substr(metric.name.size() - 6) == "_total";
    EXPECT_EQ(total, metric.type == MetricType::kCounter) << metric.name;
  }
}

TEST(MetricTableTest, EveryMetricHasHelpAndUnit) {
  for (const MetricDescription& metric : metric_table()) {
    EXPECT_FALSE(metric.help.empty()) << metric.name;
    EXPECT_FALSE(metric.unit.empty()) << metric.name;
  }
}

TEST(MetricTableTest, LabelsAreBounded) {
  for (const MetricDescription& metric : metric_table()) {
    const bool information = metric.name.find("_info") != std::string::npos;
    for (const MetricLabel& label : metric.labels) {
      EXPECT_LE(label.values.size(), 16u) << metric.name;
      EXPECT_TRUE(information || !label.values.empty()) << metric.name << " " << label.name;
    }
  }
}

TEST(MetricTableTest, BucketsDouble) {
  const std::vector<double>& bounds = step_seconds_buckets();
  EXPECT_DOUBLE_EQ(bounds.front(), 0.004);
  EXPECT_DOUBLE_EQ(bounds.back(), 65.536);
  for (size_t index = 1; index < bounds.size(); ++index) {
    EXPECT_DOUBLE_EQ(bounds[index], 2 * bounds[index - 1]);
  }
}

TEST(MetricTableTest, ThePageInDocsIsPrintedFromTheTable) {
  const std::string path = std::string(MUSTER_SOURCE_DIR) + "/docs/metrics.md";
  if (std::getenv("MUSTER_WRITE_DOCS") != nullptr) {
    common::write_file_atomically(path, metrics_page());
  }
  EXPECT_EQ(common::read_file(path), metrics_page())
      << "print it again: run this test with MUSTER_WRITE_DOCS=1 in the environment";
}

}  // namespace
}  // namespace muster::monitoring
