// Trains one network on one store.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <functional>
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
  UnfinishedRun unfinished = UnfinishedRun::kContinue;
  // Asked once a step, on every rank; empty: never. One rank's wish stops all.
  std::function<bool()> stop_wanted = {};
};

enum class TrainingEnd {
  kFinished,
  kFoundFinished,  // by an earlier process
  kStopped         // on request, with a checkpoint from which the same request goes on
};

// Collective. The sequence of global batches, the first weights and all chance are functions of the
// settings alone, so any number of ranks trains the same network up to rounding, and a training
// that goes on from a checkpoint with as many ranks and threads gives the same bits on a CPU. A
// finished run of the same TRAIN settings and data in run_directory is left as it is, whatever its
// other settings; an unfinished one goes on from its newest whole checkpoint. All ranks see the
// directory. Throws InputError for settings and data that do not fit (the same on every rank),
// SystemError for faults of disk or peers.
TrainingEnd train(const TrainingRequest& request, Communicator& communicator,
                  common::ProgressSink& progress);

}  // namespace muster::trainer
