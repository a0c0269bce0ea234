#include "trainer/run_directory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/canonical_message.h"
#include "common/error.h"
#include "models/safetensors.h"
#include "tests/common/support.h"

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
  RunDirectory open() { return RunDirectory(path_, example_experiment(), example_facts()); }
  void finish(int64_t steps) {
    RunDirectory run = open();
    run.write_checkpoint(steps, {{"a", at::full({2}, 3.0)}});
    run.write_result(report_of(steps), 10);
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

TEST_F(RunDirectoryTest, AnUnfinishedRunIsSetAside) {
  open().append_progress(report_of(1), "hash");
  open();
  EXPECT_EQ(common::names_in(path_.parent_path()),
            (std::vector<std::string>{"first", "first.unfinished-1"}));
  EXPECT_FALSE(common::read_file(path_.string() + ".unfinished-1/progress.jsonl").empty());
  EXPECT_TRUE(common::read_file(path_ / "progress.jsonl").empty());
}

TEST_F(RunDirectoryTest, SeveralUnfinishedRunsAreKept) {
  for (int i = 0; i < 3; ++i) open();
  EXPECT_EQ(common::names_in(path_.parent_path()),
            (std::vector<std::string>{"first", "first.unfinished-1", "first.unfinished-2"}));
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

TEST_F(RunDirectoryTest, CheckpointsAreNamedByStep) {
  RunDirectory run = open();
  run.write_checkpoint(0, {{"a", at::zeros({1})}});
  run.write_checkpoint(123, {{"a", at::zeros({1})}});
  EXPECT_EQ(common::names_in(path_ / "checkpoints"),
            (std::vector<std::string>{"step-00000000", "step-00000123"}));
}

TEST_F(RunDirectoryTest, ACheckpointHoldsWeightsAndState) {
  open().write_checkpoint(5, {{"a", at::full({2}, 3.0)}});
  const auto folder = path_ / "checkpoints" / "step-00000005";
  const auto content = models::read_safetensors(folder / "model.safetensors");
  EXPECT_EQ(content.tensors.at("a")[1].item<float>(), 3);
  const json state = json_of("checkpoints/step-00000005/state.json");
  EXPECT_EQ(state.at("step"), 5);
  EXPECT_EQ(state.at("identities"), 12);
}

TEST_F(RunDirectoryTest, IsFinishedOnlyWithAResult) {
  EXPECT_FALSE(is_finished_run(path_));
  open().write_checkpoint(7, {});
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
