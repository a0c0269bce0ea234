#include "trainer/training_loop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "common/atomic_file.h"
#include "common/error.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/trainer/tiny_store.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;

class TrainingLoopTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    build_tiny_store(*shared_ / "store");
    build_tiny_store(*shared_ / "without-flow", 6, Flow::kWithout);
  }
  static void TearDownTestSuite() { shared_.reset(); }

  void train_into(const std::string& run, const proto::Experiment& experiment,
                  const std::string& store = "store") {
    train({experiment, "waves", *shared_ / store, directory_ / run}, *communicator_, progress_);
  }
  std::map<std::string, at::Tensor> weights(const std::string& run) {
    return models::read_safetensors(read_finished_run(directory_ / run).weights).tensors;
  }
  std::string refusal(const proto::Experiment& experiment, const std::string& store = "store") {
    std::string text = failure_text<InputError>([&] { train_into("refused", experiment, store); });
    EXPECT_FALSE(std::filesystem::exists(directory_ / "refused"));
    return text;
  }

  static std::unique_ptr<common::TestDirectory> shared_;
  common::TestDirectory directory_;
  std::unique_ptr<Communicator> communicator_ = create_single_communicator();
  common::RecordingProgress progress_;
};

std::unique_ptr<common::TestDirectory> TrainingLoopTest::shared_;

bool same_weights(const std::map<std::string, at::Tensor>& left,
                  const std::map<std::string, at::Tensor>& right) {
  return left.size() == right.size() &&
         std::all_of(left.begin(), left.end(), [&](const auto& item) {
           return models::same_values(item.second, right.at(item.first));
         });
}

TEST_F(TrainingLoopTest, LeavesAFinishedRunWithEveryStep) {
  train_into("run", tiny_experiment());
  const FinishedRun run = read_finished_run(directory_ / "run");
  EXPECT_EQ(run.step, 2);
  EXPECT_EQ(run.facts.identities, 3);  // half of six
  EXPECT_EQ(run.facts.train_store, "waves");
  EXPECT_TRUE(run.facts.synthetic);
  const std::string lines = common::read_file(directory_ / "run" / "progress.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

TEST_F(TrainingLoopTest, ReportsEveryStep) {
  train_into("run", tiny_experiment());
  ASSERT_EQ(progress_.steps.size(), 2u);
  const common::StepReport& report = progress_.steps[1];
  EXPECT_EQ(report.step, 2);
  EXPECT_EQ(report.total_steps, 2);
  EXPECT_EQ(report.clips, 4);
  EXPECT_EQ(report.frames, 12);
  EXPECT_EQ(report.global_clips, 4);
  EXPECT_GT(report.gradient_norm, 0);
  EXPECT_NEAR(report.loss, report.losses.at("identity") + report.losses.at("video_triplet"), 1e-12);
}

TEST_F(TrainingLoopTest, EqualTrainingsGiveEqualBits) {
  train_into("first", tiny_experiment());
  train_into("second", tiny_experiment());
  EXPECT_TRUE(same_weights(weights("first"), weights("second")));
}

TEST_F(TrainingLoopTest, LoaderThreadsChangeNothing) {
  proto::Experiment threaded = tiny_experiment();
  threaded.mutable_training()->set_loader_threads(3);
  threaded.mutable_training()->set_prefetch_batches(1);
  train_into("first", tiny_experiment());
  train_into("second", threaded);
  EXPECT_TRUE(same_weights(weights("first"), weights("second")));
}

TEST_F(TrainingLoopTest, SeedsDiffer) {
  proto::Experiment other = tiny_experiment();
  other.mutable_training()->set_seed(2);
  train_into("first", tiny_experiment());
  train_into("second", other);
  EXPECT_FALSE(same_weights(weights("first"), weights("second")));
}

TEST_F(TrainingLoopTest, WithoutStepsTheFirstWeightsAreKept) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->set_steps(0);
  train_into("run", experiment);
  EXPECT_EQ(read_finished_run(directory_ / "run").step, 0);
  const at::Tensor bias = weights("run").at("conv.bias");
  EXPECT_TRUE(models::same_values(bias, at::zeros_like(bias)));
}

TEST_F(TrainingLoopTest, TheLossFalls) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->set_steps(40);
  experiment.mutable_model()->mutable_stsrn()->set_dropout(0);
  train_into("run", experiment);
  double early = 0, late = 0;
  for (size_t i = 0; i < 10; ++i) early += progress_.steps[i].losses.at("identity");
  for (size_t i = 30; i < 40; ++i) late += progress_.steps[i].losses.at("identity");
  EXPECT_LT(late, 0.8 * early);
}

TEST_F(TrainingLoopTest, AFinishedRunOfTheSameSettingsIsLeftAlone) {
  train_into("run", tiny_experiment());
  const std::string result = common::read_file(directory_ / "run" / "result.json");
  train_into("run", tiny_experiment());
  EXPECT_EQ(progress_.steps.size(), 2u);
  EXPECT_EQ(progress_.notes.size(), 1u);
  EXPECT_EQ(common::read_file(directory_ / "run" / "result.json"), result);
}

TEST_F(TrainingLoopTest, AFinishedRunWithOtherExecutionSettingsIsTheSameRun) {
  train_into("run", tiny_experiment());
  proto::Experiment threaded = tiny_experiment();
  threaded.mutable_training()->set_loader_threads(3);
  threaded.mutable_training()->set_prefetch_batches(7);
  train_into("run", threaded);
  EXPECT_EQ(progress_.steps.size(), 2u);
  ASSERT_EQ(progress_.notes.size(), 1u);
  EXPECT_TRUE(contains(progress_.notes[0], "already trained")) << progress_.notes[0];
}

TEST_F(TrainingLoopTest, SettingsThatReachOnlyLaterStagesCostNoTraining) {
  train_into("run", tiny_experiment());
  proto::Experiment later = tiny_experiment();
  later.set_name("another name");
  later.mutable_data()->add_test("elsewhere");
  later.mutable_extraction()->set_crops(8);
  later.mutable_scoring()->set_metric(proto::COSINE);
  train_into("run", later);
  EXPECT_EQ(progress_.steps.size(), 2u);
  ASSERT_EQ(progress_.notes.size(), 1u);
  EXPECT_TRUE(contains(progress_.notes[0], "already trained")) << progress_.notes[0];
  EXPECT_TRUE(contains(progress_.notes[0], "--set of extract and score")) << progress_.notes[0];
}

TEST_F(TrainingLoopTest, AnotherLossIsAnotherTrainingThoughItsGroupIsEmpty) {
  train_into("run", tiny_experiment());
  proto::Experiment other = tiny_experiment();
  other.mutable_training()->mutable_loss()->clear_video_triplet();
  EXPECT_THROW(train_into("run", other), InputError);
}

TEST_F(TrainingLoopTest, AFinishedRunOfOtherSettingsIsNotOverwritten) {
  train_into("run", tiny_experiment());
  proto::Experiment other = tiny_experiment();
  other.mutable_training()->set_seed(2);
  const std::string text = failure_text<InputError>([&] { train_into("run", other); });
  EXPECT_TRUE(contains(text, (directory_ / "run").string())) << text;
  EXPECT_EQ(read_finished_run(directory_ / "run").experiment.training().seed(), 1u);
}

TEST_F(TrainingLoopTest, SettingsThatDoNotFitAreNamed) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->mutable_batch()->set_identities(4);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.identities"));
  experiment.mutable_training()->mutable_batch()->set_identities(0);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.identities"));
  experiment = tiny_experiment();
  experiment.mutable_training()->set_steps(-1);
  EXPECT_TRUE(contains(refusal(experiment), "training.steps"));
  experiment = tiny_experiment();
  experiment.clear_model();
  EXPECT_TRUE(contains(refusal(experiment), "model"));
}

TEST_F(TrainingLoopTest, WholeTrackletsTrainOneAtATime) {
  proto::Experiment experiment = tiny_experiment();
  proto::Batch& batch = *experiment.mutable_training()->mutable_batch();
  batch.clear_frames();
  batch.set_frame_choice(proto::ALL);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.frame_choice: the 4 clips"));
  batch.Clear();
  batch.set_frame_choice(proto::ALL);
  batch.set_sampler(proto::TRACKLETS);
  experiment.mutable_training()->mutable_loss()->clear_video_triplet();
  experiment.mutable_training()->set_steps(6);
  train_into("whole", experiment);
  std::set<int64_t> frames;
  for (const common::StepReport& step : progress_.steps) frames.insert(step.frames);
  EXPECT_GT(frames.size(), 1u);  // tracklets have 4 to 6
  for (const int64_t number : frames) EXPECT_TRUE(number >= 4 && number <= 6) << number;
}

TEST_F(TrainingLoopTest, InputSettingsReachTheTraining) {
  train_into("plain", tiny_experiment());
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_model()->mutable_input()->set_colour(proto::BGR);
  train_into("bgr", experiment);
  EXPECT_FALSE(same_weights(weights("plain"), weights("bgr")));
}

TEST_F(TrainingLoopTest, JointsThatTheNetworkDoesNotLookAtAreRefused) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_data()->set_joints("pose");
  EXPECT_TRUE(contains(refusal(experiment), "data.joints"));
}

TEST_F(TrainingLoopTest, NoLossIsRefusedBeforeAnythingIsWritten) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->clear_loss();
  EXPECT_TRUE(contains(refusal(experiment), "training.loss"));
}

TEST_F(TrainingLoopTest, AStoreWithoutFlowIsRefusedBeforeAnythingIsWritten) {
  EXPECT_TRUE(contains(refusal(tiny_experiment(), "without-flow"), "optical flow"));
}

TEST_F(TrainingLoopTest, AStoreThatIsNotThereIsRefused) {
  EXPECT_TRUE(contains(refusal(tiny_experiment(), "nowhere"), "nowhere"));
}

TEST_F(TrainingLoopTest, MicroBatchesTrainTheSame) {
  proto::Experiment experiment = tiny_experiment();
  train_into("whole", experiment);
  experiment.mutable_training()->set_micro_batch_clips(1);
  train_into("micro", experiment);
  const auto whole = weights("whole"), micro = weights("micro");
  for (const auto& [name, value] : whole) {
    EXPECT_LE((value - micro.at(name)).abs().max().item<double>(), 1e-12) << name;
  }
  EXPECT_FALSE(same_weights(whole, micro));  // another order of additions: they were used
  experiment.mutable_training()->set_micro_batch_clips(0);
  train_into("micro", experiment);
  EXPECT_TRUE(same_weights(weights("micro"), micro));  // the setting makes no other training
}

TEST_F(TrainingLoopTest, MicroBatchesOfBatchNormAreRefusedBeforeAnythingIsWritten) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_model()->mutable_rru_stim()->set_width(0.0625);
  experiment.mutable_model()->mutable_rru_stim()->set_input_size(107);
  experiment.mutable_training()->set_micro_batch_clips(1);
  EXPECT_TRUE(contains(refusal(experiment), "training.micro_batch_clips: the layer 'backbone."));
}

TEST_F(TrainingLoopTest, LossesOfPairsAndTripletsTrain) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->clear_batch();
  proto::Batch* batch = experiment.mutable_training()->mutable_batch();
  batch->set_frames(3);
  batch->set_sampler(proto::PAIRS);
  batch->set_size(2);
  experiment.mutable_training()->mutable_loss()->Clear();
  experiment.mutable_training()->mutable_loss()->mutable_identity();
  experiment.mutable_training()->mutable_loss()->mutable_verification();
  train_into("run", experiment);
  ASSERT_EQ(progress_.steps.size(), 2u);
  EXPECT_GT(progress_.steps[0].losses.at("verification"), 0);
  EXPECT_EQ(progress_.steps[0].statistics.at("same_pair_share"), 0.5);
}

TEST_F(TrainingLoopTest, LossesThatSamplerOrNetworkCannotServeAreRefusedBeforeAnythingIsWritten) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_training()->mutable_loss()->mutable_verification();
  EXPECT_TRUE(contains(refusal(experiment), "training.loss.verification"));
  experiment = tiny_experiment();
  experiment.mutable_training()->mutable_loss()->mutable_part_triplet();
  EXPECT_TRUE(contains(refusal(experiment), "training.loss.part_triplet"));
  experiment = tiny_experiment();
  experiment.mutable_training()->mutable_loss()->mutable_pair();
  EXPECT_TRUE(contains(refusal(experiment), "does not judge pairs"));
}

}  // namespace
}  // namespace muster::trainer
