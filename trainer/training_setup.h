// What one rank needs to train, made from the settings.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

#include "common/progress_sink.h"
#include "datastore/clip_loader.h"
#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"
#include "trainer/parameter_update.h"
#include "trainer/rank_tensors.h"
#include "trainer/run_directory.h"

namespace muster::trainer {

struct TrainingSetup {
  // Collective; the first weights are there afterwards and nothing was written. Throws InputError
  // for settings and data that do not fit, the same on every rank.
  TrainingSetup(const proto::Experiment& experiment, const std::string& train_store,
                const std::filesystem::path& store_directory, const at::Device& device,
                Communicator& communicator, common::ProgressSink& progress);
  TrainingSetup(const TrainingSetup&) = delete;
  TrainingSetup& operator=(const TrainingSetup&) = delete;

  const proto::Experiment experiment;
  CommunicatorStatisticsExchange statistics;
  const datastore::ClipFormat format;
  const datastore::TrackletStore store;
  const datastore::LoaderOptions loader_options;  // for `device`, of all steps
  const std::unique_ptr<datastore::BatchPlanner> planner;
  const std::unique_ptr<models::Model> model;
  const at::ScalarType type;  // of weights and input
  const at::Device device;    // likewise
  std::unique_ptr<ParameterUpdate> update;
  TrainingFacts facts;

 private:
  void require_losses();
};

}  // namespace muster::trainer
