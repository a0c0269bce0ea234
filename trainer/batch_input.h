// Batches as tensors on the device that computes.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "datastore/clip_loader.h"
#include "models/model.h"

namespace muster::trainer {

// One rank's share of a step.
struct InputBatch {
  // What it is made of: step, all clips of all ranks, share, frames. Without bytes and values.
  datastore::LoadedBatch facts;
  models::ModelInput input;   // boxes are not set
  at::Tensor labels;          // int64 [clips]
  double waited_seconds = 0;  // for bytes that were not there yet
};

// One thread at a time.
class BatchInput {
 public:
  virtual ~BatchInput() = default;
  // The batches of the loader's first step, the next one, ...; waits until it is there (on a GPU:
  // until its copy is queued; the caller's current stream waits for the rest). The tensors are good
  // until the call after. Rethrows what reading threw.
  virtual InputBatch next() = 0;
};

// What `batch` says without what it holds.
datastore::LoadedBatch facts_of(const datastore::LoadedBatch& batch);

// Of a loader with LoaderOptions::transform. Loader and format must outlive the result.
std::unique_ptr<BatchInput> create_cpu_input(datastore::ClipLoader& loader,
                                             const datastore::ClipFormat& format,
                                             at::ScalarType type);

}  // namespace muster::trainer
