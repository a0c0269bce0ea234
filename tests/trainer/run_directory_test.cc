#include "trainer/run_directory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/canonical_message.h"
#include "common/error.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "trainer/checkpoint.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;
using nlohmann::json;

proto::Experiment example_experiment() {
  proto::Experiment experiment;
  experiment.set_name("an example");
  experiment.mutable_model()->mutable_stsrn()->set_width(0.25);
  experiment.mutable_training()->set_steps(7);
  return experiment;
}

TrainingFacts example_facts() {
  TrainingFacts facts;
  facts.train_store = "streets";
  facts.store_directory = "some/where";
  facts.store_hash = "abc123";
  facts.synthetic = true;
  facts.identities = 12;
  facts.ranks = 3;
  return facts;
}

common::StepReport report_of(int64_t step) {
  common::StepReport report;
  report.step = step;
  report.loss = 1.5;
  report.losses = {{"identity", 1.0}, {"video_triplet", 0.5}};
  report.global_clips = 6;
  report.step_seconds = 2;
  report.phase_seconds.backward = 0.25;
  return report;
}

class RunDirectoryTest : public testing::Test {
 protected:
  // Ready for its first step.
  RunDirectory open(UnfinishedRun unfinished = UnfinishedRun::kContinue) {
    RunDirectory run(path_, example_experiment(), example_facts(), unfinished);
    run.begin_after(0);
    return run;
  }
  void finish(int64_t steps) {
    RunDirectory run = open();
    CheckpointState state;
    state.step = steps;
    write_checkpoint(run.checkpoints(), state, {{"a", at::full({2}, 3.0)}}, {});
    run.write_result({steps, 1.5, report_of(steps).losses, 10});
  }
  int64_t lines_of_progress() {
    const std::string text = common::read_file(path_ / "progress.jsonl");
    return std::count(text.begin(), text.end(), '\n');
  }
  json json_of(const std::string& name) { return json::parse(common::read_file(path_ / name)); }

  common::TestDirectory directory_;
  const std::filesystem::path path_ = directory_ / "runs" / "first";
};

TEST_F(RunDirectoryTest, StartsWithSpecAndProvenance) {
  open();
  EXPECT_EQ(common::names_in(path_),
            (std::vector<std::string>{"checkpoints", "progress.jsonl", "provenance.json",
                                      "spec.textproto"}));
  EXPECT_EQ(common::read_file(path_ / "spec.textproto"),
            common::canonical_text(example_experiment()));
  const json provenance = json_of("provenance.json");
  EXPECT_EQ(provenance.at("train_store"), "streets");
  EXPECT_EQ(provenance.at("store_manifest_sha256"), "abc123");
  EXPECT_EQ(provenance.at("identities"), 12);
  EXPECT_EQ(provenance.at("ranks"), 3);
  EXPECT_TRUE(provenance.contains("commit"));
}

TEST_F(RunDirectoryTest, AnUnfinishedRunOfTheSameTrainingGoesOn) {
  open().append_progress(report_of(1), "hash");
  RunDirectory run(path_, example_experiment(), example_facts());
  EXPECT_TRUE(run.continues());
  EXPECT_EQ(lines_of_progress(), 1);
  run.begin_after(1);
  run.append_progress(report_of(2), "hash");
  EXPECT_EQ(lines_of_progress(), 2);
  EXPECT_EQ(common::names_in(path_.parent_path()), std::vector<std::string>{"first"});
}

TEST_F(RunDirectoryTest, StepsThatAreTakenAgainAreForgotten) {
  {
    RunDirectory run = open();
    for (const int64_t step : {1, 2, 3}) run.append_progress(report_of(step), "hash");
  }
  std::ofstream(path_ / "progress.jsonl", std::ios::app) << "{\"step\": 4, \"lo";  // cut off
  RunDirectory(path_, example_experiment(), example_facts()).begin_after(2);
  EXPECT_EQ(lines_of_progress(), 2);
  EXPECT_TRUE(contains(common::read_file(path_ / "progress.jsonl"), "\"step\":2"));
}

TEST_F(RunDirectoryTest, LinesBehindADamagedOneAreKeptAside) {
  {
    RunDirectory run = open();
    for (const int64_t step : {1, 2, 3}) run.append_progress(report_of(step), "hash");
  }
  std::string text = common::read_file(path_ / "progress.jsonl");
  text[2] = '\0';
  std::ofstream(path_ / "progress.jsonl") << text;
  RunDirectory(path_, example_experiment(), example_facts()).begin_after(3);
  EXPECT_EQ(lines_of_progress(), 0);
  EXPECT_EQ(common::read_file(path_ / "progress.jsonl.damaged-1"), text);
}

TEST_F(RunDirectoryTest, EveryLifeIsRecorded) {
  open();
  TrainingFacts other_ranks = example_facts();
  other_ranks.ranks = 5;
  RunDirectory(path_, example_experiment(), other_ranks).begin_after(4);
  const json lives = json_of("provenance.json").at("lives");
  ASSERT_EQ(lives.size(), 2u);
  EXPECT_EQ(lives[0].at("from_step"), 0);
  EXPECT_EQ(lives[0].at("ranks"), 3);
  EXPECT_EQ(lives[1].at("from_step"), 4);
  EXPECT_EQ(lives[1].at("ranks"), 5);
}

// Killed between its first two files.
TEST_F(RunDirectoryTest, ARunWithItsProvenanceAloneGoesOn) {
  open();
  std::filesystem::remove(path_ / "spec.textproto");
  EXPECT_TRUE(open().continues());
  EXPECT_EQ(common::read_file(path_ / "spec.textproto"),
            common::canonical_text(example_experiment()));
}

TEST_F(RunDirectoryTest, SomebodyElsesProvenanceIsNotTouched) {
  std::filesystem::create_directories(path_);
  common::write_file_atomically(path_ / "provenance.json", "{\"painting\": \"Mona Lisa\"}");
  EXPECT_THROW(open(), InputError);
  EXPECT_EQ(common::names_in(path_), std::vector<std::string>{"provenance.json"});
}

TEST_F(RunDirectoryTest, AnUnfinishedRunOfAnotherTrainingIsSetAside) {
  open().append_progress(report_of(1), "hash");
  proto::Experiment other = example_experiment();
  other.mutable_training()->set_steps(8);
  RunDirectory run(path_, other, example_facts());
  EXPECT_FALSE(run.continues());
  EXPECT_EQ(run.set_aside(), path_.string() + ".unfinished-1");
  EXPECT_EQ(common::names_in(path_.parent_path()),
            (std::vector<std::string>{"first", "first.unfinished-1"}));
  EXPECT_FALSE(common::read_file(run.set_aside() / "progress.jsonl").empty());
  EXPECT_TRUE(common::read_file(path_ / "progress.jsonl").empty());
}

TEST_F(RunDirectoryTest, AnotherStoreIsAnotherTraining) {
  open();
  TrainingFacts other = example_facts();
  other.store_hash = "def456";
  EXPECT_FALSE(RunDirectory(path_, example_experiment(), other).continues());
}

TEST_F(RunDirectoryTest, ExecutionSettingsAreNoOtherTraining) {
  open();
  proto::Experiment other = example_experiment();
  other.mutable_training()->set_loader_threads(7);
  EXPECT_TRUE(RunDirectory(path_, other, example_facts()).continues());
}

TEST_F(RunDirectoryTest, SeveralUnfinishedRunsAreKept) {
  for (int i = 0; i < 3; ++i) open(UnfinishedRun::kSetAside);
  EXPECT_EQ(common::names_in(path_.parent_path()),
            (std::vector<std::string>{"first", "first.unfinished-1", "first.unfinished-2"}));
}

TEST_F(RunDirectoryTest, WhoDemandsARunGetsTheSameTrainingOrNothing) {
  EXPECT_THROW(open(UnfinishedRun::kDemand), InputError);
  EXPECT_FALSE(std::filesystem::exists(path_));
  open();
  EXPECT_TRUE(open(UnfinishedRun::kDemand).continues());
  proto::Experiment other = example_experiment();
  other.mutable_training()->set_seed(5);
  EXPECT_THROW(RunDirectory(path_, other, example_facts(), UnfinishedRun::kDemand), InputError);
  EXPECT_EQ(common::names_in(path_.parent_path()), std::vector<std::string>{"first"});
}

// Of a run that was killed before its first file, or of before runs had identities.
TEST_F(RunDirectoryTest, ARunWithoutAnIdentityIsSetAside) {
  open();
  for (const char* damage : {"{", "{\"identities\": 12}", "7"}) {
    common::write_file_atomically(path_ / "provenance.json", damage);
    EXPECT_FALSE(open().continues());
  }
  EXPECT_EQ(common::names_in(path_.parent_path()).size(), 4u);
}

TEST_F(RunDirectoryTest, AFinishedRunIsNotTouched) {
  finish(7);
  const std::string before = common::read_file(path_ / "result.json");
  const std::string text = failure_text<InputError>([&] { open(); });
  EXPECT_TRUE(contains(text, path_.string())) << text;
  EXPECT_EQ(common::read_file(path_ / "result.json"), before);
  EXPECT_EQ(common::names_in(path_.parent_path()), std::vector<std::string>{"first"});
}

// What a training leaves when the disk is full before its first file.
TEST_F(RunDirectoryTest, NothingButEmptyFoldersCountsAsNew) {
  std::filesystem::create_directories(path_ / "checkpoints");
  std::filesystem::create_directories(path_ / "logs" / "old");
  open();
  EXPECT_TRUE(std::filesystem::exists(path_ / "spec.textproto"));
  EXPECT_EQ(common::names_in(path_.parent_path()), std::vector<std::string>{"first"});
}

TEST_F(RunDirectoryTest, AProgressFileThatCannotBeOpenedIsToldAtOnce) {
  std::filesystem::create_directories(path_ / "progress.jsonl");
  const std::string text = failure_text<common::SystemError>([&] { open(); });
  EXPECT_TRUE(contains(text, (path_ / "progress.jsonl").string())) << text;
}

TEST_F(RunDirectoryTest, AFileDeepInFoldersIsSomebodyElses) {
  std::filesystem::create_directories(path_ / "checkpoints" / "deep");
  common::write_file_atomically(path_ / "checkpoints" / "deep" / "thesis.tex", "years of work");
  EXPECT_THROW(open(), InputError);
  EXPECT_EQ(common::names_in(path_), std::vector<std::string>{"checkpoints"});
}

TEST_F(RunDirectoryTest, RemainsOfADeadWriterOfTheSpecCountAsNothing) {
  std::filesystem::create_directories(path_);
  const auto hidden = path_ / ".spec.textproto.tmp.elsewhere.1.0";
  common::write_file_atomically(hidden, "half");
  std::filesystem::last_write_time(
      hidden, std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  open();
  EXPECT_FALSE(std::filesystem::exists(hidden));
}

TEST_F(RunDirectoryTest, SomebodyElsesFolderIsNotTouched) {
  std::filesystem::create_directories(path_);
  common::write_file_atomically(path_ / "thesis.tex", "years of work");
  EXPECT_THROW(open(), InputError);
  EXPECT_EQ(common::names_in(path_), std::vector<std::string>{"thesis.tex"});
}

TEST_F(RunDirectoryTest, ProgressIsOneObjectALine) {
  RunDirectory run = open();
  run.append_progress(report_of(1), "first hash");
  run.append_progress(report_of(2), "second hash");
  const std::string text = common::read_file(path_ / "progress.jsonl");
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  const json line = json::parse(text.substr(text.find('\n')));
  EXPECT_EQ(line.at("step"), 2);
  EXPECT_EQ(line.at("loss"), 1.5);
  EXPECT_EQ(line.at("losses").at("video_triplet"), 0.5);
  EXPECT_EQ(line.at("batch"), "second hash");
  EXPECT_EQ(line.at("clips_per_second"), 3);
  EXPECT_EQ(line.at("phase_seconds").at("backward"), 0.25);
}

TEST_F(RunDirectoryTest, IsFinishedOnlyWithAResult) {
  EXPECT_FALSE(is_finished_run(path_));
  open();
  EXPECT_FALSE(is_finished_run(path_));
  finish(7);
  EXPECT_TRUE(is_finished_run(path_));
}

TEST_F(RunDirectoryTest, AFinishedRunIsReadBack) {
  finish(7);
  const FinishedRun run = read_finished_run(path_);
  EXPECT_EQ(run.step, 7);
  EXPECT_EQ(run.weights, path_ / "checkpoints" / "step-00000007" / "model.safetensors");
  EXPECT_EQ(models::read_safetensors(run.weights).tensors.at("a")[0].item<float>(), 3);
  EXPECT_EQ(common::canonical_text(run.experiment), common::canonical_text(example_experiment()));
  EXPECT_EQ(run.facts.train_store, "streets");
  EXPECT_EQ(run.facts.store_directory, "some/where");
  EXPECT_EQ(run.facts.store_hash, "abc123");
  EXPECT_TRUE(run.facts.synthetic);
  EXPECT_EQ(run.loss, 1.5);
  EXPECT_EQ(run.losses, (std::map<std::string, double>{{"identity", 1}, {"video_triplet", 0.5}}));
  EXPECT_EQ(run.facts.identities, 12);
  EXPECT_EQ(run.facts.ranks, 3);
}

TEST_F(RunDirectoryTest, AnUnfinishedRunCannotBeRead) {
  open();
  const std::string text = failure_text<InputError>([&] { read_finished_run(path_); });
  EXPECT_TRUE(contains(text, path_.string())) << text;
}

TEST_F(RunDirectoryTest, DamagedRecordsAreRefusedByName) {
  for (const char* name : {"result.json", "provenance.json", "spec.textproto"}) {
    for (const char* damage : {"", "{\"step\": 7", "[]", "no { text: at all"}) {
      if (std::string(name) == "spec.textproto" && std::string(damage).empty()) continue;
      std::filesystem::remove_all(path_);
      finish(7);
      common::write_file_atomically(path_ / name, damage);
      const std::string text = failure_text<InputError>([&] { read_finished_run(path_); });
      EXPECT_TRUE(contains(text, path_.string())) << name << " with " << damage << ": " << text;
    }
  }
}

TEST_F(RunDirectoryTest, ARunWithoutItsCheckpointIsRefused) {
  finish(7);
  std::filesystem::remove_all(path_ / "checkpoints");
  EXPECT_THROW(models::read_safetensors(read_finished_run(path_).weights), InputError);
}

}  // namespace
}  // namespace muster::trainer
