// Trains one network on one store.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <string>

#include "common/progress_sink.h"
#include "datastore/tracklet_store.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"
#include "trainer/run_directory.h"

namespace muster::trainer {

struct TrainingRequest {
  proto::Experiment experiment;
  std::string train_store;  // its name
  std::filesystem::path store_directory;
  std::filesystem::path run_directory;
  at::Device device = at::Device(at::kCPU);  // of this rank: trainer/compute_device.h
};

// Collective. The sequence of global batches, the first weights and all chance are functions of the
// settings alone, so any number of ranks trains the same network up to rounding. A finished run of
// the same TRAIN settings and data in run_directory is left as it is, whatever its other settings.
// Throws InputError for settings and data that do not fit (the same on every rank), SystemError for
// faults of disk or peers.
void train(const TrainingRequest& request, Communicator& communicator,
           common::ProgressSink& progress);

}  // namespace muster::trainer
