#include "trainer/metric_training.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/error.h"
#include "datastore/tracklet_role.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

// Six persons under two cameras each, two features.
FeatureTable training_table() {
  FeatureTable table;
  table.name = "training.h5";
  table.rows = 12;
  table.features = 2;
  for (int32_t row = 0; row < 12; ++row) {
    table.identity.push_back(row / 2);
    table.camera.push_back(row % 2);
    table.role.push_back(datastore::kRoleTrain);
    table.values.push_back(static_cast<float>(row * row % 7));
    table.values.push_back(static_cast<float>(row % 5));
  }
  return table;
}

std::string refusal_of(const FeatureTable& table, const proto::Scoring& scoring) {
  return common::failure_text<common::InputError>([&] { learn_metric(table, scoring); });
}

TEST(MetricTrainingTest, ALambdaThatIsNoNumberIsRefused) {
  for (const double lambda : {std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN(), 0.0, -1.0}) {
    proto::Scoring scoring;
    scoring.set_metric(proto::XQDA);
    scoring.mutable_learned()->set_lambda(lambda);
    const std::string text = refusal_of(training_table(), scoring);
    EXPECT_TRUE(common::contains(text, "scoring.learned.lambda")) << lambda << text;
  }
}

TEST(MetricTrainingTest, ATableWithoutFeaturesSaysSo) {
  FeatureTable table = training_table();
  table.further["codes"] = {{2}, table.values};
  table.features = 0;
  table.values.clear();
  for (const proto::Metric metric : {proto::KISSME, proto::XQDA}) {
    proto::Scoring scoring;
    scoring.set_metric(metric);
    const std::string text = refusal_of(table, scoring);
    EXPECT_TRUE(common::contains(text, "training.h5: has no 'features'")) << text;
    EXPECT_TRUE(common::contains(text, "--run DIR")) << text;
  }
}

}  // namespace
}  // namespace muster::trainer
