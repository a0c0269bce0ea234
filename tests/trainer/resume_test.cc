// A training that is stopped, killed or led back by steps that are not finite.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/trainer/small_networks.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/checkpoint.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using Weights = std::map<std::string, at::Tensor>;

class ResumeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    build_tiny_store(*shared_ / "store", JointWaveDataset(6));
  }
  static void TearDownTestSuite() { shared_.reset(); }

  TrainingRequest request(const std::string& run, const proto::Experiment& experiment) const {
    TrainingRequest request;
    request.experiment = experiment;
    request.train_store = "waves";
    request.store_directory = *shared_ / "store";
    request.run_directory = directory_ / run;
    return request;
  }
  TrainingEnd train_into(const std::string& run, const proto::Experiment& experiment) {
    return train(request(run, experiment), *communicator_, progress_);
  }
  // A wish in the nth step of this life.
  TrainingEnd stop_after(int64_t steps, const std::string& run,
                         const proto::Experiment& experiment) {
    TrainingRequest asked = request(run, experiment);
    asked.stop_wanted = [steps, asked_times = int64_t{0}]() mutable {
      return ++asked_times >= steps;
    };
    return train(asked, *communicator_, progress_);
  }
  fs::path checkpoints(const std::string& run) const { return directory_ / run / "checkpoints"; }
  Weights weights(const std::string& run) {
    return models::read_safetensors(read_finished_run(directory_ / run).weights).tensors;
  }
  // Without what takes time.
  std::vector<nlohmann::json> steps_of(const std::string& run) {
    std::istringstream text(common::read_file(directory_ / run / "progress.jsonl"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(text, line);) {
      lines.push_back(nlohmann::json::parse(line));
      lines.back().erase("phase_seconds");
      lines.back().erase("clips_per_second");
    }
    return lines;
  }
  void expect_same_training(const std::string& run, const std::string& other) {
    const Weights left = weights(run), right = weights(other);
    ASSERT_EQ(left.size(), right.size());
    for (const auto& [name, value] : left) {
      EXPECT_TRUE(models::same_values(value, right.at(name))) << name;
    }
    EXPECT_EQ(steps_of(run), steps_of(other));
  }

  static std::unique_ptr<common::TestDirectory> shared_;
  common::TestDirectory directory_;
  std::unique_ptr<Communicator> communicator_ = create_single_communicator();
  common::RecordingProgress progress_;
};

std::unique_ptr<common::TestDirectory> ResumeTest::shared_;

proto::Experiment experiment_of(int64_t steps) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->set_precision(proto::FLOAT32);
  experiment.mutable_training()->set_steps(steps);
  experiment.mutable_training()->mutable_optimizer()->mutable_sgd();
  return experiment;
}

TEST_F(ResumeTest, StoppedAfterAnyStepItEndsInTheSameBits) {
  const proto::Experiment experiment = experiment_of(5);
  EXPECT_EQ(train_into("whole", experiment), TrainingEnd::kFinished);
  for (int64_t steps = 1; steps <= 4; ++steps) {
    const std::string run = "stopped-" + std::to_string(steps);
    EXPECT_EQ(stop_after(steps, run, experiment), TrainingEnd::kStopped);
    EXPECT_FALSE(is_finished_run(directory_ / run));
    EXPECT_EQ(checkpoint_steps(checkpoints(run)), std::vector<int64_t>{steps});
    EXPECT_EQ(train_into(run, experiment), TrainingEnd::kFinished);
    expect_same_training(run, "whole");
  }
}

TEST_F(ResumeTest, StoppedAfterEveryStepItEndsInTheSameBits) {
  proto::Experiment experiment = experiment_of(6);
  proto::Optimizer& optimizer = *experiment.mutable_training()->mutable_optimizer();
  optimizer.mutable_adam();
  optimizer.set_learning_rate(1e-3);
  optimizer.set_warmup_steps(3);
  optimizer.add_decay_steps(4);
  train_into("whole", experiment);
  for (int life = 1; life <= 5; ++life) {
    EXPECT_EQ(stop_after(1, "often", experiment), TrainingEnd::kStopped) << life;
  }
  EXPECT_EQ(stop_after(1, "often", experiment), TrainingEnd::kFinished);  // no step was left
  expect_same_training("often", "whole");
}

TEST_F(ResumeTest, EveryNetworkGoesOnToTheSameBits) {
  for (const models::ModelEntry& entry : models::model_catalog()) {
    SCOPED_TRACE(entry.name);
    proto::Experiment experiment;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(entry.name + " { }",
                                                              experiment.mutable_model()));
    const auto model = smallest_network(entry, *experiment.mutable_model());
    ASSERT_NE(model, nullptr);
    choose_losses(*model, *experiment.mutable_training());
    experiment.mutable_training()->set_steps(3);
    experiment.mutable_training()->mutable_optimizer()->set_learning_rate(1e-3);
    train_into(entry.name + "-whole", experiment);
    EXPECT_EQ(stop_after(2, entry.name, experiment), TrainingEnd::kStopped);
    EXPECT_EQ(train_into(entry.name, experiment), TrainingEnd::kFinished);
    expect_same_training(entry.name, entry.name + "-whole");
  }
}

// A crash of the machine may leave the newest checkpoint damaged, and anything beside it.
TEST_F(ResumeTest, TheNewestWholeCheckpointIsFoundWhateverLiesBesideIt) {
  proto::Experiment experiment = experiment_of(5);
  train_into("whole", experiment);
  experiment.mutable_training()->mutable_checkpoints()->set_every_steps(1);
  experiment.mutable_training()->mutable_checkpoints()->set_keep_last(9);
  stop_after(4, "run", experiment);
  const fs::path folder = checkpoints("run");
  EXPECT_EQ(checkpoint_steps(folder), (std::vector<int64_t>{1, 2, 3, 4}));
  fs::resize_file(folder / checkpoint_name(4) / "model.safetensors", 100);
  fs::remove(folder / checkpoint_name(3) / "state.json");
  fs::create_directories(folder / checkpoint_name(99));
  common::write_file_atomically(folder / "step-00000098", "a file");
  fs::create_directories(folder / checkpoint_name(97) / "state.json");  // cannot be read
  fs::create_symlink("/nonexistent", folder / checkpoint_name(5));
  fs::create_symlink(checkpoint_name(96), folder / checkpoint_name(96));  // leads to itself
  common::write_file_atomically(folder / "notes.txt", "mine");
  EXPECT_EQ(train_into("run", experiment), TrainingEnd::kFinished);
  EXPECT_TRUE(contains(progress_.text(), "goes on after step 2")) << progress_.text();
  EXPECT_TRUE(contains(progress_.text(), checkpoint_name(99))) << progress_.text();
  expect_same_training("run", "whole");
  EXPECT_TRUE(fs::exists(folder / "notes.txt"));
  EXPECT_TRUE(contains(progress_.text(), checkpoint_name(97))) << progress_.text();
  for (const int64_t unusable : {3, 4, 5, 98, 99}) {
    const fs::path aside = folder / (checkpoint_name(unusable) + ".unusable-1");
    EXPECT_TRUE(fs::exists(fs::symlink_status(aside))) << unusable;
  }
}

// keep_last counts what can be gone on from.
TEST_F(ResumeTest, ADamagedCheckpointDoesNotTakeThePlaceOfAWholeOne) {
  proto::Experiment experiment = experiment_of(9);
  experiment.mutable_training()->mutable_checkpoints()->set_every_steps(2);
  stop_after(6, "run", experiment);
  const fs::path folder = checkpoints("run");
  EXPECT_EQ(checkpoint_steps(folder), (std::vector<int64_t>{4, 6}));
  fs::resize_file(folder / checkpoint_name(6) / "model.safetensors", 100);
  stop_after(1, "run", experiment);
  EXPECT_EQ(checkpoint_steps(folder), (std::vector<int64_t>{4, 5}));
  EXPECT_NO_THROW(read_checkpoint(folder / checkpoint_name(4)));
  EXPECT_NO_THROW(read_checkpoint(folder / checkpoint_name(5)));
}

TEST_F(ResumeTest, ACheckpointOfAnotherTrainingIsPassedOver) {
  const proto::Experiment experiment = experiment_of(3);
  train_into("whole", experiment);
  proto::Experiment other = experiment;
  other.mutable_training()->set_seed(9);
  stop_after(2, "other", other);
  stop_after(1, "run", experiment);
  fs::rename(checkpoints("other") / checkpoint_name(2), checkpoints("run") / checkpoint_name(2));
  train_into("run", experiment);
  EXPECT_TRUE(contains(progress_.text(), "other settings or data")) << progress_.text();
  expect_same_training("run", "whole");
}

// Between its last checkpoint and result.json.
TEST_F(ResumeTest, ARunThatLacksItsResultAloneGetsIt) {
  const proto::Experiment experiment = experiment_of(3);
  train_into("whole", experiment);
  train_into("run", experiment);
  const std::string result = common::read_file(directory_ / "run" / "result.json");
  fs::remove(directory_ / "run" / "result.json");
  progress_.steps.clear();
  EXPECT_EQ(train_into("run", experiment), TrainingEnd::kFinished);
  EXPECT_TRUE(progress_.steps.empty());
  EXPECT_EQ(common::read_file(directory_ / "run" / "result.json"), result);
  EXPECT_EQ(common::names_in(checkpoints("run")), std::vector<std::string>{checkpoint_name(3)});
  expect_same_training("run", "whole");
}

TEST_F(ResumeTest, OfTheCheckpointsThoseStayThatWereAskedFor) {
  proto::Experiment experiment = experiment_of(7);
  proto::Checkpoints& settings = *experiment.mutable_training()->mutable_checkpoints();
  settings.set_every_steps(2);
  settings.set_keep_last(2);
  settings.add_keep_steps(1);
  train_into("run", experiment);
  EXPECT_EQ(checkpoint_steps(checkpoints("run")), (std::vector<int64_t>{1, 6, 7}));
}

TEST_F(ResumeTest, ACheckpointIsDueByTheClock) {
  proto::Experiment experiment = experiment_of(4);
  proto::Checkpoints& settings = *experiment.mutable_training()->mutable_checkpoints();
  settings.set_every_minutes(1e-9);
  settings.set_keep_last(9);
  train_into("run", experiment);
  EXPECT_GT(checkpoint_steps(checkpoints("run")).size(), 1u);
  settings.set_every_minutes(0);
  train_into("never", experiment);
  EXPECT_EQ(checkpoint_steps(checkpoints("never")), std::vector<int64_t>{4});
}

// What cannot be written is told; the training goes on, but not past its end.
TEST_F(ResumeTest, AFailedCheckpointDoesNotEndATraining) {
  proto::Experiment experiment = experiment_of(3);
  experiment.mutable_training()->mutable_checkpoints()->set_every_steps(1);
  TrainingRequest asked = request("run", experiment);
  asked.stop_wanted = [this, step = 0]() mutable {
    if (++step == 1) {  // a file where checkpoints should go
      fs::remove(checkpoints("run"));
      common::write_file_atomically(checkpoints("run"), "in the way");
    }
    return false;
  };
  const std::string text =
      failure_text<common::SystemError>([&] { train(asked, *communicator_, progress_); });
  EXPECT_TRUE(contains(text, "the last checkpoint")) << text;
  EXPECT_TRUE(contains(progress_.text(), "could not be written")) << progress_.text();
  EXPECT_EQ(progress_.steps.size(), 3u);
  EXPECT_FALSE(is_finished_run(directory_ / "run"));
}

// One process whose sum of losses is not a number in chosen calls: in a network without batch
// norm, that is one call a step.
class NanCommunicator : public Communicator {
 public:
  explicit NanCommunicator(std::set<int64_t> calls) : calls_(std::move(calls)) {}
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    if (type == ElementType::kFloat64 && count > 0 && calls_.count(++call_) > 0) {
      *static_cast<double*>(buffer) = std::numeric_limits<double>::quiet_NaN();
    }
    return alone_->all_reduce_sum(buffer, count, type);
  }
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    alone_->all_gather(local, all, counts, type);
  }
  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    alone_->reduce_scatter_sum(all, local, counts, type);
  }
  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    alone_->broadcast(buffer, count, type, root);
  }
  void barrier() override {}
  std::unique_ptr<Communicator> duplicate() override { return create_single_communicator(); }
  [[noreturn]] void abort(int exit_code) override {
    alone_->abort(exit_code);
    std::terminate();
  }

 private:
  const std::set<int64_t> calls_;
  int64_t call_ = 0;
  std::unique_ptr<Communicator> alone_ = create_single_communicator();
};

proto::Experiment with_policy(int64_t steps, proto::NonFinite policy) {
  proto::Experiment experiment = experiment_of(steps);
  experiment.mutable_training()->set_non_finite(policy);
  return experiment;
}

std::vector<int64_t> numbers_of(const std::vector<nlohmann::json>& steps) {
  std::vector<int64_t> numbers;
  for (const auto& step : steps) numbers.push_back(step.at("step").get<int64_t>());
  return numbers;
}

TEST_F(ResumeTest, AStepThatIsNotFiniteStopsTheRunAndIsNamed) {
  NanCommunicator communicator({3});
  const std::string text = failure_text<common::SystemError>(
      [&] { train(request("run", experiment_of(5)), communicator, progress_); });
  EXPECT_TRUE(contains(text, "step 3")) << text;
  EXPECT_TRUE(contains(text, "the loss identity")) << text;
  ASSERT_EQ(progress_.steps.size(), 3u);
  EXPECT_EQ(progress_.steps[2].not_finite, "the loss identity");
}

TEST_F(ResumeTest, ASkippedStepChangesNothing) {
  const proto::Experiment experiment = with_policy(3, proto::SKIP);
  NanCommunicator communicator({3});
  EXPECT_EQ(train(request("skipped", experiment), communicator, progress_), TrainingEnd::kFinished);
  EXPECT_TRUE(contains(progress_.text(), "step 3: the loss identity is not finite"));
  EXPECT_EQ(stop_after(2, "stopped", experiment), TrainingEnd::kStopped);
  const CheckpointContent after_two = read_checkpoint(checkpoints("stopped") / checkpoint_name(2));
  const CheckpointContent skipped = read_checkpoint(checkpoints("skipped") / checkpoint_name(3));
  for (const auto& [name, value] : after_two.model) {
    EXPECT_TRUE(models::same_values(value, skipped.model.at(name))) << name;
  }
  for (const auto& [name, value] : after_two.optimizer) {
    EXPECT_TRUE(models::same_values(value, skipped.optimizer.at(name))) << name;
  }
}

TEST_F(ResumeTest, TooManySkippedStepsInARowStopTheRun) {
  const proto::Experiment experiment = with_policy(30, proto::SKIP);
  std::set<int64_t> calls;
  for (int64_t call = 4; call <= 12; ++call) calls.insert(call);
  NanCommunicator nine(calls);
  EXPECT_EQ(train(request("nine", experiment), nine, progress_), TrainingEnd::kFinished);
  calls.insert(13);
  NanCommunicator ten(calls);
  EXPECT_THROW(train(request("ten", experiment), ten, progress_), common::SystemError);
}

TEST_F(ResumeTest, SkippedStepsInARowCountOnInTheNextLife) {
  const proto::Experiment experiment = with_policy(30, proto::SKIP);
  TrainingRequest asked = request("run", experiment);
  asked.stop_wanted = [times = 0]() mutable { return ++times >= 7; };
  NanCommunicator first({2, 3, 4, 5, 6, 7});
  EXPECT_EQ(train(asked, first, progress_), TrainingEnd::kStopped);
  NanCommunicator second({1, 2, 3, 4});
  const std::string text = failure_text<common::SystemError>(
      [&] { train(request("run", experiment), second, progress_); });
  EXPECT_TRUE(contains(text, "step 11")) << text;
}

// Gradients beyond float32 of a loss that is none.
TEST_F(ResumeTest, AGradientThatIsNotFiniteIsToldAndSkipped) {
  proto::Experiment experiment = with_policy(2, proto::SKIP);
  experiment.mutable_training()->mutable_loss()->clear_video_triplet();
  experiment.mutable_training()->mutable_loss()->mutable_identity()->set_weight(3e37);
  train_into("run", experiment);
  ASSERT_EQ(progress_.steps.size(), 2u);
  EXPECT_TRUE(std::isfinite(progress_.steps[0].loss));
  EXPECT_TRUE(contains(progress_.steps[0].not_finite, "gradient")) << progress_.steps[0].not_finite;
  proto::Experiment untrained = experiment;
  untrained.mutable_training()->set_steps(0);
  train_into("untrained", untrained);
  const Weights first = weights("untrained"), last = weights("run");
  for (const auto& [name, value] : first) {
    EXPECT_TRUE(models::same_values(value, last.at(name))) << name;
  }
}

TEST_F(ResumeTest, ARollBackGoesOnFromTheCheckpointWithoutTheStepsBetween) {
  proto::Experiment experiment = with_policy(6, proto::ROLL_BACK);
  experiment.mutable_training()->mutable_checkpoints()->set_every_steps(2);
  NanCommunicator communicator({4});
  EXPECT_EQ(train(request("run", experiment), communicator, progress_), TrainingEnd::kFinished);
  EXPECT_TRUE(contains(progress_.text(), "back to step 2")) << progress_.text();
  EXPECT_EQ(numbers_of(steps_of("run")), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(steps_of("run")[3].at("loss").is_null());
  const CheckpointState state = read_checkpoint_state(checkpoints("run") / checkpoint_name(6));
  EXPECT_EQ(state.rejected_steps, (std::vector<int64_t>{3, 4}));
  // Steps 1, 2, 5 and 6 by hand: the batches of a training that never saw the others.
  EXPECT_NE(steps_of("run")[4].at("loss"), steps_of("run")[2].at("loss"));
}

// The second time the checkpoint itself is doubted.
TEST_F(ResumeTest, WhereNoStepWentWellSinceARollBackTheNextOneGoesFurther) {
  proto::Experiment experiment = with_policy(8, proto::ROLL_BACK);
  experiment.mutable_training()->mutable_checkpoints()->set_every_steps(2);
  experiment.mutable_training()->mutable_checkpoints()->set_keep_last(3);
  NanCommunicator communicator({6, 7});  // of calls: steps 6 and, after 4, 7
  EXPECT_EQ(train(request("run", experiment), communicator, progress_), TrainingEnd::kFinished);
  EXPECT_TRUE(contains(progress_.text(), "step 6: the loss identity is not finite; back to step 4"))
      << progress_.text();
  EXPECT_TRUE(contains(progress_.text(), "step 7: the loss identity is not finite; back to step 2"))
      << progress_.text();
  const CheckpointState state = read_checkpoint_state(checkpoints("run") / checkpoint_name(8));
  EXPECT_EQ(state.rejected_steps, (std::vector<int64_t>{3, 4, 5, 6, 7}));
}

TEST_F(ResumeTest, WithoutACheckpointNothingCanBeRolledBack) {
  NanCommunicator communicator({2});
  const std::string text = failure_text<common::SystemError>(
      [&] { train(request("run", with_policy(5, proto::ROLL_BACK)), communicator, progress_); });
  EXPECT_TRUE(contains(text, "step 2")) << text;
}

}  // namespace
}  // namespace muster::trainer
