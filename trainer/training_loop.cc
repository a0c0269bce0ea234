#include "trainer/training_loop.h"

#include <chrono>
#include <optional>

#include "common/canonical_message.h"
#include "common/error.h"
#include "datastore/clip_loader.h"
#include "trainer/batch_input.h"
#include "trainer/gpu_backend.h"
#include "trainer/initial_weights.h"
#include "trainer/run_keeper.h"
#include "trainer/step_agreement.h"
#include "trainer/training_setup.h"
#include "trainer/training_step.h"

namespace muster::trainer {
namespace {

constexpr int kSkipsInARow = 10, kRollBacks = 5;

class TrainingLoop {
 public:
  TrainingLoop(const TrainingRequest& request, TrainingSetup& setup, RunKeeper& keeper,
               Communicator& communicator, common::ProgressSink& progress)
      : stop_wanted_(request.stop_wanted),
        setup_(setup),
        keeper_(keeper),
        progress_(progress),
        agreement_(communicator),
        step_({setup.experiment.training(), *setup.model, *setup.update, setup.statistics,
               communicator},
              keeper.state().step > 0 ? std::optional(keeper.state().carried) : std::nullopt) {}

  CarriedState carried() const { return step_.carried(); }
  // Whether all steps were taken.
  bool run() {
    note_repacked_shards();
    progress_.begin("training on " + setup_.facts.train_store, "steps", steps());
    while (!stopped_ && keeper_.state().step < steps()) take_steps();
    progress_.end();
    return keeper_.state().step == steps();
  }

 private:
  int64_t steps() const { return setup_.experiment.training().steps(); }

  // Until the last step, a stop or a roll back, after which the loader begins anew.
  void take_steps() {
    datastore::LoaderOptions options = setup_.loader_options;
    options.first_step = keeper_.state().step + 1;
    datastore::ClipLoader loader(setup_.store, *setup_.planner, setup_.format, options);
    const std::unique_ptr<BatchInput> batches = input_from(loader);
    bool goes_on = true;
    while (goes_on && !stopped_ && keeper_.state().step < steps()) {
      agreement_.ask({stop_wanted_ && stop_wanted_(), keeper_.checkpoint_is_due()});
      goes_on = take_step(*batches);
      const StepWishes agreed = agreement_.answer();
      stopped_ = agreed.stop;
      const bool more = keeper_.state().step < steps();  // the last checkpoint is finish()'s
      if (goes_on && more && (agreed.checkpoint || keeper_.checkpoint_is_listed())) {
        keeper_.write_checkpoint(step_.carried());
      }
    }
  }

  std::unique_ptr<BatchInput> input_from(datastore::ClipLoader& loader) const {
    if (setup_.device.is_cpu()) return create_cpu_input(loader, setup_.format, setup_.type);
    return create_gpu_input(loader, setup_.store.manifest().geometry, setup_.format, setup_.type,
                            setup_.device);
  }

  // False if it led back to a checkpoint.
  bool take_step(BatchInput& batches) {
    const auto begin = std::chrono::steady_clock::now();
    const InputBatch batch = batches.next();
    const std::chrono::duration<double> taking = std::chrono::steady_clock::now() - begin;
    bool goes_on = true;
    if (keeper_.is_rejected(batch.facts.step)) {
      keeper_.pass_over(batch.facts.step);
    } else {
      const common::StepReport report = step_.run(batch, taking.count());
      progress_.step(report);
      keeper_.record(report, datastore::batch_hash(batch.facts.global));
      if (!report.not_finite.empty()) goes_on = survive(report);
    }
    return goes_on;
  }

  // What the settings say of a step that was not finite; false if it led back.
  bool survive(const common::StepReport& report) {
    const std::string step = "step " + std::to_string(report.step);
    const std::string what = report.not_finite + " is not finite";
    switch (setup_.experiment.training().non_finite()) {
      case proto::SKIP:
        if (keeper_.state().skipped_in_a_row + 1 >= kSkipsInARow) break;
        progress_.note(step + ": " + what + "; the step changes nothing");
        keeper_.skip(report.step);
        return true;
      case proto::ROLL_BACK:
        if (keeper_.state().roll_backs >= kRollBacks || !keeper_.roll_back(report.step)) break;
        progress_.note(step + ": " + what + "; back to step " +
                       std::to_string(keeper_.state().step) + ", on without the steps between");
        return false;
      case proto::STOP:
        break;
    }
    throw common::SystemError(step, what, "lower training.optimizer.learning_rate");
  }

  void note_repacked_shards() {
    const int repacked = setup_.store.repacked_shards();
    if (repacked == 0) return;
    progress_.note(
        setup_.store.directory().string() + ": " + std::to_string(repacked) +
        " shards were repacked with chunks or filters and are read through HDF5, slower");
  }

  const std::function<bool()>& stop_wanted_;
  TrainingSetup& setup_;
  RunKeeper& keeper_;
  common::ProgressSink& progress_;
  StepAgreement agreement_;
  TrainingStep step_;
  bool stopped_ = false;
};

// Asking twice does nothing: a finished run of the same settings on the same data is left alone.
bool already_trained(const TrainingRequest& request, const FinishedRun& run) {
  TrainingFacts asked;
  asked.store_hash = datastore::manifest_hash(request.store_directory);
  asked.initial_weights = hashes_of_initial_weights(request.experiment.training());
  return training_identity(run.experiment, run.facts) ==
         training_identity(request.experiment, asked);
}

// The run keeps the settings that it was made with.
std::string hint_of_later_settings(const proto::Experiment& kept, const proto::Experiment& asked) {
  const auto later_settings = [](proto::Experiment experiment) {
    experiment.mutable_data()->clear_test();
    return common::settings_of(experiment, {proto::EXTRACT, proto::SCORE});
  };
  if (later_settings(kept) == later_settings(asked)) return "";
  return "; it keeps its settings of extraction and scoring; --set of extract and score, and "
         "--metric, choose others";
}

}  // namespace

TrainingEnd train(const TrainingRequest& request, Communicator& communicator,
                  common::ProgressSink& progress) {
  // Rank 0 looks, for all: others may see the directory as it was a moment ago.
  std::optional<FinishedRun> finished;
  if (communicator.rank() == 0 && is_finished_run(request.run_directory)) {
    finished = read_finished_run(request.run_directory);
  }
  int64_t done = finished && already_trained(request, *finished) ? 1 : 0;
  communicator.broadcast(&done, 1, ElementType::kInt64, 0);
  if (done != 0) {
    if (!finished) return TrainingEnd::kFoundFinished;
    progress.note(request.run_directory.string() +
                  ": already trained with these settings and data" +
                  hint_of_later_settings(finished->experiment, request.experiment));
    return TrainingEnd::kFoundFinished;
  }
  TrainingSetup setup(request.experiment, request.train_store, request.store_directory,
                      request.device, communicator, progress);
  RunKeeper keeper(request.run_directory, request.unfinished, setup, communicator, progress);
  bool complete = keeper.state().step >= request.experiment.training().steps();
  CarriedState carried = keeper.state().carried;
  if (!complete) {
    TrainingLoop loop(request, setup, keeper, communicator, progress);
    complete = loop.run();
    carried = loop.carried();
  }
  keeper.finish(complete, carried);
  return complete ? TrainingEnd::kFinished : TrainingEnd::kStopped;
}

}  // namespace muster::trainer
