// The whole loop on all ranks against the same training on one.
#include "trainer/training_loop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/ranks/world.h"
#include "tests/trainer/tiny_store.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;

// Rank 0's directory, known to all.
fs::path shared_path(const fs::path& of_rank_0) {
  std::string text = of_rank_0.string();
  text.resize(4096, '\0');
  world().broadcast(text.data(), static_cast<int64_t>(text.size()), ElementType::kByte, 0);
  return text.c_str();
}

std::vector<nlohmann::json> progress_lines(const fs::path& run) {
  std::ifstream file(run / "progress.jsonl");
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

void expect_same_steps(const fs::path& together, const fs::path& alone) {
  const auto lines = progress_lines(together), expected = progress_lines(alone);
  ASSERT_EQ(lines.size(), expected.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].at("batch"), expected[i].at("batch"));
    EXPECT_NEAR(lines[i].at("loss").get<double>(), expected[i].at("loss").get<double>(), 1e-9);
  }
}

void expect_same_weights(const fs::path& together, const fs::path& alone) {
  const auto trained = models::read_safetensors(read_finished_run(together).weights).tensors;
  const auto expected = models::read_safetensors(read_finished_run(alone).weights).tensors;
  ASSERT_EQ(trained.size(), expected.size());
  for (const auto& [name, value] : expected) {
    const double difference = (trained.at(name) - value).norm().item<double>();
    EXPECT_LE(difference, 1e-9 * (value.norm().item<double>() + 1e-3)) << name;
  }
}

TEST(TrainingOnRanksTest, IsTheTrainingOfOneRank) {
  const common::TestDirectory own;
  const fs::path directory = shared_path(own.path());
  if (world().rank() == 0) build_tiny_store(directory / "store");
  world().barrier();
  common::SilentProgress progress;
  train({tiny_experiment(), "waves", directory / "store", directory / "together"}, world(),
        progress);
  if (world().rank() == 0) {
    train({tiny_experiment(), "waves", directory / "store", directory / "alone"},
          *create_single_communicator(), progress);
    EXPECT_EQ(read_finished_run(directory / "together").facts.ranks, world().size());
    expect_same_steps(directory / "together", directory / "alone");
    expect_same_weights(directory / "together", directory / "alone");
  }
  world().barrier();
}

// Of up to 16 ranks sums over MPI do not depend on the order in which gradients travel, which
// CheckpointTest holds to the checkpoint: here it is the rest that has to come back.
TEST(TrainingOnRanksTest, StoppedAndContinuedItEndsInTheSameBits) {
  const common::TestDirectory own;
  const fs::path directory = shared_path(own.path());
  if (world().rank() == 0) build_tiny_store(directory / "store");
  world().barrier();
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->set_precision(proto::FLOAT32);
  experiment.mutable_training()->set_steps(5);
  experiment.mutable_training()->set_bucket_bytes(4096);
  common::SilentProgress progress;
  TrainingRequest request;
  request.experiment = experiment;
  request.train_store = "waves";
  request.store_directory = directory / "store";
  request.run_directory = directory / "whole";
  EXPECT_EQ(train(request, world(), progress), TrainingEnd::kFinished);
  request.run_directory = directory / "stopped";
  const int wishes = world().size() - 1;  // the last rank alone wants it
  request.stop_wanted = [asked = 0, wishes]() mutable {
    return ++asked >= 2 && world().rank() == wishes;
  };
  EXPECT_EQ(train(request, world(), progress), TrainingEnd::kStopped);
  request.stop_wanted = {};
  EXPECT_EQ(train(request, world(), progress), TrainingEnd::kFinished);
  if (world().rank() == 0) {
    const auto whole = models::read_safetensors(read_finished_run(directory / "whole").weights);
    const auto stopped = models::read_safetensors(read_finished_run(directory / "stopped").weights);
    for (const auto& [name, value] : whole.tensors) {
      EXPECT_TRUE(at::equal(value, stopped.tensors.at(name))) << name;
    }
  }
  world().barrier();
}

}  // namespace
}  // namespace muster::trainer
