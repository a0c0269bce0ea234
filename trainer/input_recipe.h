// What a network is fed: its own wishes, and what the experiment says instead.
#pragma once

#include "datastore/clip_format.h"
#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// Throws InputError naming the field of model.input if it is out of range, does not fit the
// network's window, or has no meaning beside the others.
datastore::ClipFormat clip_format(const models::InputFormat& network, const proto::Input& settings);

}  // namespace muster::trainer
