// The only bridge from loaded clips to tensors.
#pragma once

#include "datastore/clip_loader.h"
#include "models/model.h"

namespace muster::trainer {

// Clips [clips, frames, channels, height, width] as the loader laid them out; splits colour from
// flow. With kFloat the tensors are views of `values`, which must stay as they are until backward
// is done; networks only read them.
models::ModelInput model_input(const std::vector<float>& values, int64_t clips, int64_t frames,
                               const datastore::ClipFormat& format, at::ScalarType type);

// [clips, frames, kJointCount, 3] of joints as the loader laid them out.
at::Tensor joint_tensor(const std::vector<datastore::Joint>& joints, int64_t clips, int64_t frames,
                        at::ScalarType type);

// Labels of this rank's clips, int64 [clips].
at::Tensor label_tensor(const datastore::LoadedBatch& batch);

}  // namespace muster::trainer
