// Every network and every ablation row of the catalogue through one step of the trainer, at a small
// size, under the row's losses or every one that its output serves.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/trainer/small_networks.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/run_directory.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

class CatalogRowsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    build_tiny_store(*shared_ / "store", JointWaveDataset(6));
  }
  static void TearDownTestSuite() { shared_.reset(); }

  void train_one_step(const models::ModelEntry& entry, const models::AblationRow& row) {
    SCOPED_TRACE(entry.name + ", " + row.table + ", " + row.name);
    proto::Experiment experiment;
    ASSERT_TRUE(
        google::protobuf::TextFormat::ParseFromString(row.model, experiment.mutable_model()));
    const auto model = smallest_network(entry, *experiment.mutable_model());
    ASSERT_NE(model, nullptr);
    choose_losses(*model, *experiment.mutable_training());
    if (!row.loss.empty()) {
      ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
          row.loss, experiment.mutable_training()->mutable_loss()));
    }
    experiment.mutable_training()->set_steps(1);
    const auto run = directory_ / ("run-" + std::to_string(runs_++));
    train({experiment, "waves", *shared_ / "store", run}, *communicator_, progress_);
    const FinishedRun finished = read_finished_run(run);
    EXPECT_TRUE(std::isfinite(finished.loss));
    const auto trained = models::read_safetensors(finished.weights).tensors;
    // Initial weights are a function of the seed: what differs was trained.
    size_t moved = 0;
    for (const auto& [name, first] : model->parameters()) {
      const at::Tensor& last = trained.at(name);
      EXPECT_TRUE(last.isfinite().all().item<bool>()) << name;
      if (!models::same_values(first, last)) ++moved;
    }
    EXPECT_GT(2 * moved, model->parameters().size());  // a unit that never fires has no gradient
  }

  static std::unique_ptr<common::TestDirectory> shared_;
  common::TestDirectory directory_;
  std::unique_ptr<Communicator> communicator_ = create_single_communicator();
  common::RecordingProgress progress_;
  int runs_ = 0;
};

std::unique_ptr<common::TestDirectory> CatalogRowsTest::shared_;

TEST_F(CatalogRowsTest, EveryRowRunsATrainingStep) {
  for (const models::ModelEntry& entry : models::model_catalog()) {
    for (const models::AblationRow& row : entry.rows) train_one_step(entry, row);
  }
}

TEST_F(CatalogRowsTest, EveryNetworkRunsATrainingStep) {
  for (const models::ModelEntry& entry : models::model_catalog()) {
    train_one_step(entry, {"by itself", "without a table", entry.name + " { }"});
  }
}

}  // namespace
}  // namespace muster::trainer
