// Writes the checkpoints of one run in the background and removes those that need not be kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/checkpoint.h"

namespace muster::trainer {

// In one line each, "" for nothing.
struct CheckpointProblems {
  std::string writing, removing;
};

// Calls come from one thread of rank 0.
class CheckpointWriter {
 public:
  CheckpointWriter(std::filesystem::path checkpoints, const proto::Checkpoints& settings);
  // Waits for the write under way.
  ~CheckpointWriter();
  // Copies the tensors and returns; files are written, then old ones removed, by a thread. Waits
  // for the write before it.
  void write(const CheckpointState& state, const models::NamedTensors& model,
             const models::NamedTensors& optimizer);
  // Waits for the write under way. What went wrong since the last call; what was there before is
  // still there.
  CheckpointProblems wait();
  bool is_writing() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Throws InputError for settings out of range.
void require_checkpoint_settings(const proto::Checkpoints& settings);

// Which of these checkpoints, mean losses by step, stay: the last keep_last, the listed ones, and
// the one of the smallest mean loss (the earliest of equals; NaN is never the best). The newest
// always stays.
std::set<int64_t> kept_checkpoints(const std::map<int64_t, double>& mean_losses,
                                   const proto::Checkpoints& settings);

}  // namespace muster::trainer
