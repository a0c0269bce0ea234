// What a training leaves behind (docs/formats/run-directory.md): spec.textproto, provenance.json,
// progress.jsonl, checkpoints/, result.json. Written by rank 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "models/model.h"
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

// One thread of rank 0.
class RunDirectory {
 public:
  // Creates the directory; one that holds nothing but empty folders counts as new. An unfinished
  // run in it is renamed to NAME.unfinished-K beside it; a finished one throws InputError.
  RunDirectory(const std::filesystem::path& path, const proto::Experiment& experiment,
               const TrainingFacts& facts);
  // One line of progress.jsonl, flushed. Throws SystemError when the disk is full.
  void append_progress(const common::StepReport& report, const std::string& batch_hash);
  // checkpoints/step-XXXXXXXX, whole or not there.
  void write_checkpoint(int64_t step, const models::NamedTensors& parameters);
  // Marks the run as finished.
  void write_result(const common::StepReport& last, double seconds);

 private:
  std::filesystem::path path_;
  std::ofstream progress_;
  TrainingFacts facts_;
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
