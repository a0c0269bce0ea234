#include "trainer/training_setup.h"

#include "common/error.h"
#include "datastore/protocol.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"
#include "trainer/batch_settings.h"
#include "trainer/empty_output.h"
#include "trainer/initial_weights.h"
#include "trainer/input_recipe.h"
#include "trainer/loss_settings.h"
#include "trainer/micro_batches.h"
#include "trainer/mixed_precision.h"
#include "trainer/training_step.h"

namespace muster::trainer {
namespace {

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

// Clips for a GPU are transformed there.
datastore::LoaderOptions loader_options_of(const proto::Training& training,
                                           const at::Device& device,
                                           const Communicator& communicator) {
  datastore::LoaderOptions options =
      loader_options(training, communicator.rank(), communicator.size());
  options.transform = device.is_cpu();
  return options;
}

}  // namespace

TrainingSetup::TrainingSetup(const proto::Experiment& chosen, const std::string& train_store,
                             const std::filesystem::path& store_directory,
                             const at::Device& chosen_device, Communicator& communicator,
                             common::ProgressSink& progress)
    : experiment(chosen),
      statistics(communicator),
      format(format_of(experiment.model())),
      store(store_directory, joint_source(experiment.data(), format)),
      loader_options(loader_options_of(experiment.training(), chosen_device, communicator)),
      planner(datastore::create_batch_planner(
          store, datastore::assign_roles(store, protocol_options(experiment)), format,
          batch_options(experiment))),
      model(
          models::model_entry(experiment.model())
              .create(experiment.model(), planner->identity_count(), experiment.training().seed())),
      type(type_of_weights(experiment.training().precision())),
      device(chosen_device) {
  require_precision(experiment.training().precision(), device);
  datastore::require_readable(store, format);
  model->to(type);
  model->to(device);
  require_losses();
  load_initial_weights(experiment.training(), models::weights_of(*model), progress);
  update = create_parameter_update(experiment.training().optimizer(), model->parameters());
  facts.train_store = train_store;
  facts.store_directory = store_directory.string();
  facts.store_hash = datastore::manifest_hash(store_directory);
  facts.synthetic = store.manifest().facts.synthetic;
  facts.identities = planner->identity_count();
  facts.ranks = communicator.size();
  facts.initial_weights = hashes_of_initial_weights(experiment.training());
}

// What sampler and network cannot serve, before anything is written: the output for no clips tells
// what the network gives.
void TrainingSetup::require_losses() {
  const proto::Loss& loss = experiment.training().loss();
  require_loss(loss);
  require_sampler(loss, experiment.training().batch());
  require_network(loss, output_for_no_clips(*model, experiment, format, type, statistics),
                  pair_judge(*model) != nullptr);
  require_micro_batches(*model, no_clips(*model, experiment, format, type),
                        experiment.training().micro_batch_clips());
}

}  // namespace muster::trainer
