// Checkpoints of a run: folders step-XXXXXXXX with model.safetensors, optimizer.safetensors and
// state.json, which holds length and CRC32C of the other two and of itself
// (docs/formats/run-directory.md). A folder appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/model.h"
#include "trainer/mixed_precision.h"

namespace muster::trainer {

// What a training carries from step to step besides weights and the optimiser's state.
struct CarriedState {
  std::vector<int64_t> gradient_order;  // GradientReducer::order()
  LossScaleState loss_scale;
};

// What a training goes on from, besides tensors. The sampler's position is the step, and all chance
// is a function of seed and step: neither needs anything else.
struct CheckpointState {
  int64_t step = 0;      // steps that are done
  std::string training;  // SHA-256 over settings and data: another training cannot go on from it
  int64_t identities = 0;
  double loss = 0;  // of the last step
  std::map<std::string, double> losses;
  double mean_loss = 0;                 // of the steps since the checkpoint before; NaN without any
  double seconds = 0;                   // that all steps took, in all lives of the run
  std::vector<int64_t> rejected_steps;  // that a roll back told to leave out
  int64_t skipped_in_a_row = 0;         // steps that were not finite and changed nothing
  int64_t roll_backs = 0;               // of all lives of the run
  CarriedState carried;
};

struct CheckpointContent {
  CheckpointState state;
  std::map<std::string, at::Tensor> model, optimizer;
};

// "step-00000123".
std::string checkpoint_name(int64_t step);

// Writes checkpoints/step-XXXXXXXX aside and renames it. A folder of that name that is there
// already is kept, as step-XXXXXXXX.replaced-N. Throws SystemError naming the file.
void write_checkpoint(const std::filesystem::path& checkpoints, const CheckpointState& state,
                      const models::NamedTensors& model, const models::NamedTensors& optimizer);

// Throws InputError naming the folder and what is wrong: a file that is missing, cut off or was
// changed by as little as a bit, a state of another step than the name says.
CheckpointContent read_checkpoint(const std::filesystem::path& folder);
CheckpointState read_checkpoint_state(const std::filesystem::path& folder);

// Steps of the folders that have a checkpoint's name, ascending; whatever else lies there is
// ignored. Whether they are whole only reading tells. Nothing for a directory that is not there;
// throws SystemError where it cannot be listed.
std::vector<int64_t> checkpoint_steps(const std::filesystem::path& checkpoints);

// Nothing that was there is lost: renames the folder to step-XXXXXXXX.WHY-N and tells its new name;
// "" if it is not there. Throws SystemError.
std::filesystem::path set_checkpoint_aside(const std::filesystem::path& checkpoints, int64_t step,
                                           const std::string& why);

// Takes a folder out of sight first, so that a half removed one never counts. Throws SystemError.
void remove_checkpoint(const std::filesystem::path& checkpoints, int64_t step);

// What writers and removers that died left behind. Never throws.
void remove_remains_of_checkpoints(const std::filesystem::path& checkpoints);

}  // namespace muster::trainer
