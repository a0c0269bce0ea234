#include "trainer/training_loop.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <optional>

#include "common/canonical_message.h"
#include "common/error.h"
#include "datastore/clip_loader.h"
#include "datastore/protocol.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"
#include "trainer/batch_settings.h"
#include "trainer/clip_tensors.h"
#include "trainer/empty_output.h"
#include "trainer/initial_weights.h"
#include "trainer/input_recipe.h"
#include "trainer/loss_settings.h"
#include "trainer/loss_terms.h"
#include "trainer/micro_batches.h"
#include "trainer/parameter_update.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

constexpr int64_t kBucketBytes = int64_t{4} << 20;

class Stopwatch {
 public:
  // Seconds since the last lap.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

datastore::ProtocolOptions protocol_options(const proto::Experiment& experiment) {
  datastore::ProtocolOptions options;
  options.name = experiment.data().protocol();
  options.split = experiment.data().split();
  options.split_seed = experiment.data().split_seed();
  return options;
}

// A model without classes tells the input format that store and planner need.
datastore::ClipFormat format_of(const proto::Model& options) {
  const models::WithoutInitialValues only_looked_at;
  return clip_format(models::model_entry(options).create(options, 0, 0)->input_format(),
                     options.input());
}

class Trainer {
 public:
  Trainer(const TrainingRequest& request, Communicator& communicator,
          common::ProgressSink& progress)
      : experiment_(request.experiment),
        communicator_(communicator),
        progress_(progress),
        statistics_(communicator),
        format_(format_of(experiment_.model())),
        store_(request.store_directory, joint_source(experiment_.data(), format_)),
        loader_options_(
            loader_options(experiment_.training(), communicator.rank(), communicator.size())),
        planner_(datastore::create_batch_planner(
            store_, datastore::assign_roles(store_, protocol_options(experiment_)), format_,
            batch_options(experiment_))),
        model_(models::model_entry(experiment_.model())
                   .create(experiment_.model(), planner_->identity_count(),
                           experiment_.training().seed())),
        type_(experiment_.training().precision() == proto::FLOAT64 ? at::kDouble : at::kFloat) {
    datastore::require_readable(store_, format_);
    model_->to(type_);
    require_losses();
    load_initial_weights(experiment_.training(), models::weights_of(*model_), progress);
    parameters_ = model_->parameters();
    update_ = create_parameter_update(experiment_.training().optimizer(), parameters_);
    facts_.train_store = request.train_store;
    facts_.store_directory = request.store_directory.string();
    facts_.store_hash = datastore::manifest_hash(request.store_directory);
    facts_.synthetic = store_.manifest().facts.synthetic;
    facts_.identities = planner_->identity_count();
    facts_.ranks = communicator.size();
    facts_.initial_weights = hashes_of_initial_weights(experiment_.training());
  }

  void run(const std::filesystem::path& directory) {
    if (communicator_.rank() == 0) record_.emplace(directory, experiment_, facts_);
    const int64_t steps = experiment_.training().steps();
    common::StepReport last;
    Stopwatch whole;
    if (steps > 0) {
      note_repacked_shards();
      datastore::ClipLoader loader(store_, *planner_, format_, loader_options_);
      progress_.begin("training on " + facts_.train_store, "steps", steps);
      for (int64_t step = 1; step <= steps; ++step) last = train_step(loader, step);
      progress_.end();
    }
    if (record_) {
      record_->write_checkpoint(steps, models::weights_of(*model_));
      record_->write_result(last, whole.lap());
    }
    communicator_.barrier();
  }

 private:
  void note_repacked_shards() {
    const int repacked = store_.repacked_shards();
    if (repacked == 0) return;
    progress_.note(
        store_.directory().string() + ": " + std::to_string(repacked) +
        " shards were repacked with chunks or filters and are read through HDF5, slower");
  }

  // What sampler and network cannot serve, before anything is written: the output for no clips
  // tells what the network gives.
  void require_losses() {
    const proto::Loss& loss = experiment_.training().loss();
    require_loss(loss);
    require_sampler(loss, experiment_.training().batch());
    require_network(loss, output_for_no_clips(*model_, experiment_, format_, type_, statistics_),
                    pair_model() != nullptr);
    require_micro_batches(*model_, no_clips(experiment_, format_, type_),
                          experiment_.training().micro_batch_clips());
  }

  // Null where the network does not judge pairs.
  models::PairModel* pair_model() const {
    auto* model = dynamic_cast<models::PairModel*>(model_.get());
    return model != nullptr && model->judges_pairs() ? model : nullptr;
  }

  std::vector<int64_t> clips_per_rank(int64_t clips) const {
    std::vector<int64_t> counts;
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      const datastore::ClipRange share =
          datastore::share_of_rank(clips, rank, communicator_.size());
      counts.push_back(share.end - share.begin);
    }
    return counts;
  }

  models::ForwardContext forward_context(const datastore::LoadedBatch& batch) {
    models::ForwardContext context;
    context.training = true;
    context.statistics = &statistics_;
    for (int64_t clip = batch.share.begin; clip < batch.share.end; ++clip) {
      context.clip_keys.push_back(batch.global[static_cast<size_t>(clip)].key);
    }
    return context;
  }

  static StepHooks hooks_of(int64_t step) {
    StepHooks hooks;
    hooks.proceed = [step](const StepLosses& losses) {
      if (std::isfinite(losses.total)) return true;
      throw common::SystemError("step " + std::to_string(step), "the loss is not finite",
                                "lower training.optimizer.learning_rate");
    };
    return hooks;
  }

  common::StepReport train_step(datastore::ClipLoader& loader, int64_t step) {
    Stopwatch whole, phase;
    common::StepReport report;
    report.step = step;
    report.total_steps = experiment_.training().steps();

    // 1. Take this rank's share of the global batch.
    datastore::LoadedBatch batch = loader.next();
    const int64_t clips = batch.share.end - batch.share.begin;
    models::ModelInput input = model_input(batch.values, clips, batch.frames, format_, type_);
    if (format_.joints) {
      input.joints = joint_tensor(batch.joints_in_window, clips, batch.frames, type_);
    }
    const at::Tensor labels = label_tensor(batch);
    report.phase_seconds.data_wait = phase.lap();

    // 2. to 4. Forward, loss over the global batch, backward.
    const StepPasses passes = run_forward_backward(
        *model_, experiment_.training().loss(),
        {input, labels, forward_context(batch),
         clips_per_rank(static_cast<int64_t>(batch.global.size()))},
        communicator_, experiment_.training().micro_batch_clips(), hooks_of(step));
    const StepLosses& losses = passes.losses;
    report.phase_seconds.forward = passes.forward_seconds;
    report.phase_seconds.loss = passes.loss_seconds;
    report.phase_seconds.backward = passes.backward_seconds;
    phase.lap();

    // 5. Sum gradients over ranks.
    reduce_gradients(parameters_, kBucketBytes, communicator_);
    report.phase_seconds.communication_exposed = phase.lap();

    // 6. Step.
    report.gradient_norm = update_->apply(step);
    if (!std::isfinite(report.gradient_norm)) {
      const std::vector<std::string> names = names_of_bad_gradients(parameters_);
      throw common::SystemError(
          "step " + std::to_string(step),
          "the gradient" + (names.empty() ? "" : " of " + names[0]) + " is not finite",
          "lower training.optimizer.learning_rate");
    }
    report.phase_seconds.optimizer = phase.lap();

    // 7. Report.
    report.loss = losses.total;
    report.losses = losses.losses;
    report.statistics = losses.statistics;
    report.learning_rate = update_->learning_rate(step);
    report.clips = clips;
    report.frames = clips * batch.frames;
    report.global_clips = static_cast<int64_t>(batch.global.size());
    report.step_seconds = whole.lap();
    progress_.step(report);
    if (record_) record_->append_progress(report, datastore::batch_hash(batch.global));
    loader.recycle(std::move(batch));
    return report;
  }

  const proto::Experiment experiment_;
  Communicator& communicator_;
  common::ProgressSink& progress_;
  CommunicatorStatisticsExchange statistics_;
  const datastore::ClipFormat format_;
  const datastore::TrackletStore store_;
  const datastore::LoaderOptions loader_options_;
  const std::unique_ptr<datastore::BatchPlanner> planner_;
  const std::unique_ptr<models::Model> model_;
  const at::ScalarType type_;
  models::NamedTensors parameters_;
  std::unique_ptr<ParameterUpdate> update_;
  TrainingFacts facts_;
  std::optional<RunDirectory> record_;  // on rank 0
};

// What decides the weights.
std::string training_settings(const proto::Experiment& experiment) {
  return common::settings_of(experiment, {proto::TRAIN});
}

// Asking twice does nothing: a finished run of the same settings on the same data is left alone.
bool already_trained(const TrainingRequest& request, const FinishedRun& run) {
  return training_settings(run.experiment) == training_settings(request.experiment) &&
         run.facts.store_hash == datastore::manifest_hash(request.store_directory) &&
         run.facts.initial_weights == hashes_of_initial_weights(request.experiment.training());
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

void train(const TrainingRequest& request, Communicator& communicator,
           common::ProgressSink& progress) {
  std::optional<FinishedRun> finished;
  if (is_finished_run(request.run_directory)) finished = read_finished_run(request.run_directory);
  const bool done = finished && already_trained(request, *finished);
  communicator.barrier();  // before rank 0 may change the directory
  if (done) {
    progress.note(request.run_directory.string() +
                  ": already trained with these settings and data" +
                  hint_of_later_settings(finished->experiment, request.experiment));
    return;
  }
  Trainer(request, communicator, progress).run(request.run_directory);
}

}  // namespace muster::trainer
