#include "trainer/checkpoint_writer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "common/error.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;

void require_range(int64_t value, int64_t least, const std::string& field) {
  if (value >= least) return;
  throw common::InputError("training.checkpoints." + field,
                           std::to_string(value) + " is less than " + std::to_string(least));
}

models::NamedTensors copied(const models::NamedTensors& tensors) {
  models::NamedTensors copies;
  for (const auto& [name, value] : tensors) {
    copies.emplace_back(name, value.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
  }
  return copies;
}

// Of this training's checkpoints up to the one just written. The others are left alone for good:
// what cannot be read, is of another training, or of a step that this one has yet to reach again.
std::map<int64_t, double> mean_losses_of(const fs::path& checkpoints,
                                         const CheckpointState& newest) {
  std::map<int64_t, double> losses;
  for (const int64_t step : checkpoint_steps(checkpoints)) {
    if (step > newest.step) continue;
    try {
      const CheckpointState state = read_checkpoint_state(checkpoints / checkpoint_name(step));
      if (state.training == newest.training) losses[step] = state.mean_loss;
    } catch (const common::Error&) {
    }
  }
  return losses;
}

}  // namespace

void require_checkpoint_settings(const proto::Checkpoints& settings) {
  require_range(settings.keep_last(), 1, "keep_last");
  require_range(settings.every_steps(), 0, "every_steps");
  if (!(settings.every_minutes() >= 0)) {
    throw common::InputError("training.checkpoints.every_minutes", "is not a number from 0 on");
  }
  for (const int64_t step : settings.keep_steps()) require_range(step, 1, "keep_steps");
}

std::set<int64_t> kept_checkpoints(const std::map<int64_t, double>& mean_losses,
                                   const proto::Checkpoints& settings) {
  std::set<int64_t> kept;
  auto newest = mean_losses.rbegin();
  for (int64_t i = 0; i < std::max<int64_t>(1, settings.keep_last()); ++i) {
    if (newest == mean_losses.rend()) break;
    kept.insert((newest++)->first);
  }
  for (const int64_t step : settings.keep_steps()) {
    if (mean_losses.count(step) > 0) kept.insert(step);
  }
  if (!settings.keep_best()) return kept;
  int64_t best = -1;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [step, loss] : mean_losses) {
    if (loss < least) best = step, least = loss;
  }
  if (best >= 0) kept.insert(best);
  return kept;
}

struct CheckpointWriter::State {
  const fs::path checkpoints;
  const proto::Checkpoints settings;
  std::thread thread;
  std::atomic<bool> writing{false};
  CheckpointProblems problems;  // of the thread that was last; read once it has ended

  State(fs::path path, const proto::Checkpoints& chosen)
      : checkpoints(std::move(path)), settings(chosen) {}

  void write(const CheckpointState& state, const models::NamedTensors& model,
             const models::NamedTensors& optimizer) {
    try {
      write_checkpoint(checkpoints, state, model, optimizer);
      remove_others(state);
    } catch (const std::exception& failure) {
      problems.writing = failure.what();
    }
    writing = false;
  }

  void remove_others(const CheckpointState& newest) {
    try {
      const std::map<int64_t, double> losses = mean_losses_of(checkpoints, newest);
      const std::set<int64_t> kept = kept_checkpoints(losses, settings);
      for (const auto& [step, loss] : losses) {
        if (kept.count(step) == 0) remove_checkpoint(checkpoints, step);
      }
    } catch (const std::exception& failure) {
      problems.removing = failure.what();
    }
  }

  CheckpointProblems wait() {
    if (thread.joinable()) thread.join();
    return std::exchange(problems, CheckpointProblems());
  }
};

CheckpointWriter::CheckpointWriter(fs::path checkpoints, const proto::Checkpoints& settings) {
  state_ = std::make_unique<State>(std::move(checkpoints), settings);
}

CheckpointWriter::~CheckpointWriter() { state_->wait(); }

void CheckpointWriter::write(const CheckpointState& state, const models::NamedTensors& model,
                             const models::NamedTensors& optimizer) {
  state_->problems = state_->wait();  // told by the next wait()
  state_->writing = true;
  state_->thread = std::thread([this, state, model = copied(model), optimizer = copied(optimizer)] {
    state_->write(state, model, optimizer);
  });
}

CheckpointProblems CheckpointWriter::wait() { return state_->wait(); }

bool CheckpointWriter::is_writing() const { return state_->writing; }

}  // namespace muster::trainer
