// Joints that are not numbers: no reader of a dataset takes them, and a network would learn nothing
// but NaN from them.
#pragma once

#include "datastore/tracklet_store.h"

namespace muster::datastore {

bool is_finite(const Joint& joint);

// Reads all joints of the store, which must have some. Throws InputError naming the file and the
// tracklet, frame and joint, counted from 1, of the first one that is not finite.
void demand_finite_joints(const TrackletStore& store);

}  // namespace muster::datastore
