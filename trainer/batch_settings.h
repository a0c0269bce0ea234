// From the experiment's settings to what the samplers and the loader are asked for.
#pragma once

#include "datastore/batch_plan.h"
#include "datastore/clip_loader.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// All throw InputError naming the field if a setting is out of range or has no meaning beside
// another one (training.batch.identities without sampler IDENTITIES).
datastore::BatchOptions batch_options(const proto::Experiment& experiment);
datastore::OcclusionOptions occlusion_options(const proto::Data& data);
datastore::JointSource joint_source(const proto::Data& data, const datastore::ClipFormat& format);
// Of rank `rank` of `size`, from step 1 to the last.
datastore::LoaderOptions loader_options(const proto::Training& training, int rank, int size);

}  // namespace muster::trainer
