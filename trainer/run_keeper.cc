#include "trainer/run_keeper.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "common/error.h"
#include "models/weight_loading.h"

namespace muster::trainer {
namespace {

using Clock = std::chrono::steady_clock;

void require_same_training(const CheckpointState& found, const CheckpointState& wanted) {
  if (found.training == wanted.training) return;
  throw common::InputError(checkpoint_name(found.step), "is of other settings or data");
}

template <typename Values, typename Value>
bool holds(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

RunKeeper::RunKeeper(const std::filesystem::path& run_directory, UnfinishedRun unfinished,
                     TrainingSetup& setup, Communicator& communicator,
                     common::ProgressSink& progress)
    : checkpoints_(run_directory / "checkpoints"),
      setup_(setup),
      communicator_(communicator),
      progress_(progress),
      last_checkpoint_(Clock::now()) {
  require_checkpoint_settings(setup.experiment.training().checkpoints());
  state_.training = training_identity(setup.experiment, setup.facts);
  state_.identities = setup.facts.identities;
  require_one_training();
  if (communicator.rank() == 0) {
    run_.emplace(run_directory, setup.experiment, setup.facts, unfinished);
    writer_.emplace(checkpoints_, setup.experiment.training().checkpoints());
    if (!run_->set_aside().empty()) {
      progress.note("an unfinished run was set aside as " + run_->set_aside().string());
    }
  }
  const int64_t step = newest_checkpoint(run_ && run_->continues());
  if (step >= 0) load(step);
  if (run_ && run_->continues()) {
    progress.note(run_directory.string() + (step < 0
                                                ? ": no checkpoint yet, begins anew"
                                                : ": goes on after step " + std::to_string(step)));
  }
  if (run_) run_->begin_after(state_.step);
  communicator.barrier();  // the directory is ready for every rank
}

void RunKeeper::record(const common::StepReport& report, const std::string& batch_hash) {
  if (run_) run_->append_progress(report, batch_hash);
  state_.seconds += report.step_seconds;
  if (!report.not_finite.empty()) return;
  untried_checkpoint_.reset();
  state_.skipped_in_a_row = 0;
  state_.step = report.step;
  state_.loss = report.loss;
  state_.losses = report.losses;
  losses_since_checkpoint_.push_back(report.loss);
}

bool RunKeeper::is_rejected(int64_t step) const { return holds(state_.rejected_steps, step); }

// Ranks that read other settings or another copy of the data would train on without a word.
void RunKeeper::require_one_training() {
  std::string of_rank_0 = state_.training;
  communicator_.broadcast(of_rank_0.data(), static_cast<int64_t>(of_rank_0.size()),
                          ElementType::kByte, 0);
  if (of_rank_0 == state_.training) return;
  throw common::SystemError("rank " + std::to_string(communicator_.rank()),
                            "has other settings, data or initial weights than rank 0",
                            "let every machine read the same files");
}

// Told and renamed, so that it never counts among those to keep. What cannot even be read may be
// whole: where it stands in nobody's way it stays.
void RunKeeper::pass_over_checkpoint(int64_t step, const common::Error& why) {
  std::string fate;
  if (dynamic_cast<const common::InputError*>(&why) != nullptr) {
    const auto aside = set_checkpoint_aside(checkpoints_, step, "unusable");
    fate = "; it is now " + aside.filename().string();
  }
  progress_.note(std::string("a checkpoint is passed over: ") + why.what() + fate);
}

// Rank 0 chooses, for all. -1 if there is none.
int64_t RunKeeper::newest_checkpoint(bool look, int64_t before) {
  int64_t newest = -1;
  std::vector<int64_t> found = look ? checkpoint_steps(checkpoints_) : std::vector<int64_t>();
  while (!found.empty() && found.back() >= before) found.pop_back();
  for (; newest < 0 && !found.empty(); found.pop_back()) {
    try {
      const auto folder = checkpoints_ / checkpoint_name(found.back());
      require_same_training(read_checkpoint(folder).state, state_);
      newest = found.back();
    } catch (const common::Error& failure) {
      pass_over_checkpoint(found.back(), failure);
    }
  }
  communicator_.broadcast(&newest, 1, ElementType::kInt64, 0);
  return newest;
}

void RunKeeper::skip(int64_t step) {
  ++state_.skipped_in_a_row;
  pass_over(step);
}

void RunKeeper::load(int64_t step) {
  const std::filesystem::path folder = checkpoints_ / checkpoint_name(step);
  const CheckpointContent content = read_checkpoint(folder);
  require_same_training(content.state, state_);
  models::load_weights(models::weights_of(*setup_.model), content.model, models::Loading::kStrict,
                       folder.string());
  setup_.update->load_state(content.optimizer);
  state_ = content.state;
  written_step_ = step;
  untried_checkpoint_ = step;
  losses_since_checkpoint_.clear();
}

bool RunKeeper::checkpoint_is_due() const {
  const double minutes = setup_.experiment.training().checkpoints().every_minutes();
  return writer_ && minutes > 0 && !writer_->is_writing() &&
         Clock::now() - last_checkpoint_ >= std::chrono::duration<double>(60 * minutes);
}

bool RunKeeper::checkpoint_is_listed() const {
  const proto::Checkpoints& settings = setup_.experiment.training().checkpoints();
  const int64_t every = settings.every_steps();
  return (every > 0 && state_.step % every == 0) || holds(settings.keep_steps(), state_.step);
}

void RunKeeper::write_checkpoint(const CarriedState& carried) {
  state_.carried = carried;
  const std::vector<double>& losses = losses_since_checkpoint_;
  state_.mean_loss =
      std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  losses_since_checkpoint_.clear();
  last_checkpoint_ = Clock::now();
  written_step_ = state_.step;
  if (!writer_) return;
  tell_failure();
  writer_->write(state_, models::weights_of(*setup_.model), setup_.update->state());
}

void RunKeeper::tell_failure() {
  const CheckpointProblems problems = writer_->wait();
  if (!problems.writing.empty()) {
    progress_.note("a checkpoint could not be written: " + problems.writing);
  }
  if (!problems.removing.empty()) {
    progress_.note("an old checkpoint could not be removed: " + problems.removing);
  }
}

bool RunKeeper::roll_back(int64_t last_step) {
  if (writer_) tell_failure();
  int64_t step = -1;
  // Where no step went well since, the weights themselves may be what is wrong.
  if (untried_checkpoint_) step = newest_checkpoint(writer_.has_value(), *untried_checkpoint_);
  if (step < 0) step = newest_checkpoint(writer_.has_value());
  if (step < 0) return false;
  const int64_t roll_backs = state_.roll_backs + 1;
  load(step);
  state_.roll_backs = roll_backs;
  for (int64_t rejected = step + 1; rejected <= last_step; ++rejected) {
    state_.rejected_steps.push_back(rejected);
  }
  written_step_ = -1;  // the checkpoint knows nothing of the rejected steps
  return true;
}

void RunKeeper::finish(bool complete, const CarriedState& carried) {
  if (written_step_ != state_.step) write_checkpoint(carried);
  if (writer_) {
    const std::string problem = writer_->wait().writing;
    if (!problem.empty()) throw common::SystemError("the last checkpoint", problem);
    if (complete) {
      run_->write_result({state_.step, state_.loss, state_.losses, state_.seconds});
    }
  }
  communicator_.barrier();
}

}  // namespace muster::trainer
