#include "trainer/checkpoint_writer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

using Steps = std::set<int64_t>;
using common::InputError;

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

proto::Checkpoints settings_of(int keep_last, bool keep_best = false,
                               const std::vector<int64_t>& keep_steps = {}) {
  proto::Checkpoints settings;
  settings.set_keep_last(keep_last);
  settings.set_keep_best(keep_best);
  for (const int64_t step : keep_steps) settings.add_keep_steps(step);
  return settings;
}

TEST(KeptCheckpointsTest, TheLastOnes) {
  const std::map<int64_t, double> losses = {{10, 1}, {20, 2}, {30, 3}, {40, 4}};
  EXPECT_EQ(kept_checkpoints(losses, settings_of(1)), Steps{40});
  EXPECT_EQ(kept_checkpoints(losses, settings_of(3)), (Steps{20, 30, 40}));
  EXPECT_EQ(kept_checkpoints(losses, settings_of(9)), (Steps{10, 20, 30, 40}));
  EXPECT_EQ(kept_checkpoints({}, settings_of(2)), Steps{});
}

TEST(KeptCheckpointsTest, TheBestIsOfTheSmallestLossThatIsANumber) {
  EXPECT_EQ(kept_checkpoints({{10, 2}, {20, 1}, {30, 3}, {40, 4}}, settings_of(1, true)),
            (Steps{20, 40}));
  EXPECT_EQ(kept_checkpoints({{10, kNoNumber}, {20, 5}, {30, 5}, {40, 6}}, settings_of(1, true)),
            (Steps{20, 40}));
  EXPECT_EQ(kept_checkpoints({{10, kNoNumber}, {20, kNoNumber}}, settings_of(1, true)), Steps{20});
}

TEST(KeptCheckpointsTest, TheListedOnesThatThereAre) {
  EXPECT_EQ(kept_checkpoints({{10, 1}, {20, 2}, {30, 3}}, settings_of(1, false, {10, 15})),
            (Steps{10, 30}));
}

std::string problem_of(CheckpointWriter& writer) {
  const CheckpointProblems problems = writer.wait();
  return problems.writing + problems.removing;
}

class CheckpointWriterTest : public testing::Test {
 protected:
  static CheckpointState state_of(int64_t step, double mean_loss = 1) {
    CheckpointState state;
    state.step = step;
    state.mean_loss = mean_loss;
    return state;
  }
  common::TestDirectory directory_;
};

TEST_F(CheckpointWriterTest, WritesWhatTheTensorsWereWhenAsked) {
  CheckpointWriter writer(directory_.path(), settings_of(2));
  const at::Tensor weight = at::zeros({1 << 20});
  writer.write(state_of(1), {{"weight", weight}}, {{"weight.momentum", weight}});
  const at::NoGradGuard no_gradients;
  at::Tensor(weight).fill_(7);  // the next step, while the file is written
  EXPECT_EQ(problem_of(writer), "");
  const CheckpointContent content = read_checkpoint(directory_ / checkpoint_name(1));
  EXPECT_EQ(content.model.at("weight").abs().max().item<float>(), 0);
  EXPECT_EQ(content.optimizer.at("weight.momentum").abs().max().item<float>(), 0);
}

TEST_F(CheckpointWriterTest, RemovesWhatNeedNotBeKept) {
  CheckpointWriter writer(directory_.path(), settings_of(2, true, {3}));
  const double losses[] = {5, 1, 4, 3, 2};
  for (int64_t step = 1; step <= 5; ++step) {
    writer.write(state_of(step, losses[step - 1]), {{"a", at::zeros({2})}}, {});
  }
  EXPECT_EQ(problem_of(writer), "");
  EXPECT_EQ(checkpoint_steps(directory_.path()), (std::vector<int64_t>{2, 3, 4, 5}));
}

TEST_F(CheckpointWriterTest, ADamagedCheckpointIsNeitherCountedNorRemoved) {
  CheckpointWriter writer(directory_.path(), settings_of(1));
  writer.write(state_of(1), {{"a", at::zeros({2})}}, {});
  EXPECT_EQ(problem_of(writer), "");
  common::write_file_atomically(directory_ / checkpoint_name(1) / "state.json", "{}");
  for (const int64_t step : {2, 3}) writer.write(state_of(step), {{"a", at::zeros({2})}}, {});
  EXPECT_EQ(problem_of(writer), "");
  EXPECT_EQ(checkpoint_steps(directory_.path()), (std::vector<int64_t>{1, 3}));
}

// Of a life that went further, and of another training.
TEST_F(CheckpointWriterTest, LaterStepsAndOtherTrainingsNeitherCountNorGo) {
  CheckpointState other = state_of(3);
  other.training = "another";
  write_checkpoint(directory_.path(), other, {{"a", at::zeros({2})}}, {});
  write_checkpoint(directory_.path(), state_of(9), {{"a", at::zeros({2})}}, {});
  CheckpointWriter writer(directory_.path(), settings_of(1));
  for (const int64_t step : {4, 5}) writer.write(state_of(step), {{"a", at::zeros({2})}}, {});
  EXPECT_EQ(problem_of(writer), "");
  EXPECT_EQ(checkpoint_steps(directory_.path()), (std::vector<int64_t>{3, 5, 9}));
}

TEST_F(CheckpointWriterTest, AFailureIsToldOnceAndTheNextWriteWorks) {
  const auto folder = directory_ / "checkpoints";
  common::write_file_atomically(folder, "a file stands in the way");
  CheckpointWriter writer(folder, settings_of(1));
  writer.write(state_of(1), {{"a", at::zeros({2})}}, {});
  const std::string problem = problem_of(writer);
  EXPECT_TRUE(common::contains(problem, folder.string())) << problem;
  EXPECT_EQ(problem_of(writer), "");
  std::filesystem::remove(folder);
  std::filesystem::create_directory(folder);
  writer.write(state_of(2), {{"a", at::zeros({2})}}, {});
  EXPECT_EQ(problem_of(writer), "");
  EXPECT_EQ(checkpoint_steps(folder), std::vector<int64_t>{2});
}

TEST(CheckpointSettingsTest, AreCheckedAndNamed) {
  proto::Checkpoints settings = settings_of(0);
  const auto refusal = [&] {
    return common::failure_text<InputError>([&] { require_checkpoint_settings(settings); });
  };
  EXPECT_TRUE(common::contains(refusal(), "training.checkpoints.keep_last"));
  settings = settings_of(1);
  settings.set_every_minutes(-1);
  EXPECT_TRUE(common::contains(refusal(), "training.checkpoints.every_minutes"));
  settings.set_every_minutes(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(common::contains(refusal(), "training.checkpoints.every_minutes"));
  settings.set_every_minutes(0.5);
  settings.set_every_steps(-3);
  EXPECT_TRUE(common::contains(refusal(), "training.checkpoints.every_steps"));
  settings = settings_of(1, false, {0});
  EXPECT_TRUE(common::contains(refusal(), "training.checkpoints.keep_steps"));
  EXPECT_NO_THROW(require_checkpoint_settings(proto::Checkpoints()));
}

}  // namespace
}  // namespace muster::trainer
