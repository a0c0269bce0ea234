// What a training leaves behind (docs/formats/run-directory.md): spec.textproto, provenance.json,
// progress.jsonl, checkpoints/, result.json. Written by rank 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/file_descriptor.h"
#include "common/progress_sink.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// What is known of a training before it starts.
struct TrainingFacts {
  std::string train_store;  // its name in the experiment
  std::string store_directory;
  std::string store_hash;  // of its manifest
  bool synthetic = false;
  int64_t identities = 0;  // classes
  int ranks = 1;
  std::vector<std::string> initial_weights;  // SHA-256 of each file of training.initialize_from
};

// SHA-256 over what decides the weights: TRAIN settings, data, initial weights. Of the facts only
// the hashes count.
std::string training_identity(const proto::Experiment& experiment, const TrainingFacts& facts);

// What becomes of an unfinished run.
enum class UnfinishedRun {
  kContinue,  // one of the same training goes on, another one is set aside
  kDemand,    // there must be one of the same training
  kSetAside
};

// What training gave in the end.
struct TrainingResult {
  int64_t step = 0;
  double loss = 0;  // of the last step
  std::map<std::string, double> losses;
  double seconds = 0;  // of all lives together
};

// One thread of rank 0. While it lives no other process gets the same run.
class RunDirectory {
 public:
  // Creates the directory; one that holds nothing but empty folders counts as new. What is set
  // aside is renamed to NAME.unfinished-K beside it. Throws InputError if a finished run is there,
  // another process is at work in it for more than ten seconds, or there is none of those that
  // kDemand wants.
  RunDirectory(const std::filesystem::path& path, const proto::Experiment& experiment,
               const TrainingFacts& facts, UnfinishedRun unfinished = UnfinishedRun::kContinue);
  // The training of before goes on.
  bool continues() const { return continues_; }
  // Where an unfinished run was set aside; empty if none was.
  const std::filesystem::path& set_aside() const { return set_aside_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  // Before the first step of this life: what progress.jsonl says of later steps than `step` is
  // forgotten, since they are taken again; provenance.json tells where and with what this life
  // began.
  void begin_after(int64_t step);
  // One line of progress.jsonl, flushed. Throws SystemError when the disk is full.
  void append_progress(const common::StepReport& report, const std::string& batch_hash);
  // Marks the run as finished; its weights are those of the checkpoint of result.step.
  void write_result(const TrainingResult& result);

 private:
  void lock_progress();

  std::filesystem::path path_, set_aside_;
  TrainingFacts facts_;
  bool continues_ = false;
  common::Descriptor lock_;
  std::ofstream progress_;
};

// A finished run, as extract and score read it.
struct FinishedRun {
  proto::Experiment experiment;
  TrainingFacts facts;
  std::filesystem::path weights;  // model.safetensors of the last checkpoint
  int64_t step = 0;
  double loss = 0;  // of the last step; 0 if there was none
  std::map<std::string, double> losses;
};

bool is_finished_run(const std::filesystem::path& path);
// Throws InputError naming the directory if there is no finished run in it.
FinishedRun read_finished_run(const std::filesystem::path& path);
// Whether a store is the training's own, by its name or the hash of its manifest.
bool is_own_store(const FinishedRun& run, const std::string& name, const std::string& hash);

}  // namespace muster::trainer
