// A training's memory on disk: opens or continues its run directory, goes back to checkpoints and
// writes them. The files are rank 0's; the others read checkpoints and otherwise only keep count.
#pragma once

#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <vector>

#include "common/error.h"
#include "trainer/checkpoint_writer.h"
#include "trainer/run_directory.h"
#include "trainer/training_setup.h"

namespace muster::trainer {

// One thread per rank.
class RunKeeper {
 public:
  // Collective. Where an unfinished run goes on, weights, optimiser and state() are those of its
  // newest whole checkpoint afterwards.
  RunKeeper(const std::filesystem::path& run_directory, UnfinishedRun unfinished,
            TrainingSetup& setup, Communicator& communicator, common::ProgressSink& progress);

  // Of the training as it is now.
  const CheckpointState& state() const { return state_; }
  // Collective: every rank reports its steps. A line of progress.jsonl; state() moves on.
  void record(const common::StepReport& report, const std::string& batch_hash);
  // A step that was not finite and changed nothing.
  void skip(int64_t step);
  // A step that was left out.
  void pass_over(int64_t step) { state_.step = step; }
  bool is_rejected(int64_t step) const;

  // By the clock, which is rank 0's.
  bool checkpoint_is_due() const;
  // By the number of the step that was last; the last one of all is no matter of settings.
  bool checkpoint_is_listed() const;
  // In the background; `carried` as TrainingStep says it. A failure is told and leaves what
  // was there: training is worth more.
  void write_checkpoint(const CarriedState& carried);
  // Collective. Back to the newest whole checkpoint, or to one before it if no step went well
  // since it was loaded; the steps after it up to `last_step` are rejected from now on. False if
  // there is no checkpoint.
  bool roll_back(int64_t last_step);
  // Collective, at the end: the checkpoint of the last step, and result.json if it was the last of
  // all. Throws SystemError if either cannot be written.
  void finish(bool complete, const CarriedState& carried);

 private:
  void require_one_training();
  int64_t newest_checkpoint(bool look, int64_t before = std::numeric_limits<int64_t>::max());
  void pass_over_checkpoint(int64_t step, const common::Error& why);
  void load(int64_t step);
  void tell_failure();

  const std::filesystem::path checkpoints_;
  TrainingSetup& setup_;
  Communicator& communicator_;
  common::ProgressSink& progress_;
  std::optional<RunDirectory> run_;         // on rank 0
  std::optional<CheckpointWriter> writer_;  // on rank 0
  CheckpointState state_;
  std::vector<double> losses_since_checkpoint_;
  std::chrono::steady_clock::time_point last_checkpoint_;
  int64_t written_step_ = -1;
  std::optional<int64_t> untried_checkpoint_;  // loaded, and no finite step since
};

}  // namespace muster::trainer
