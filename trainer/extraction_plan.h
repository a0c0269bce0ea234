// Which windows and frames of a test tracklet an extraction looks at.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/clip_loader.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// What every tracklet is seen through: each crop, and its mirror if that is asked for. Throws
// InputError for a setting out of range.
std::vector<datastore::ClipWindow> windows_of(const proto::Extraction& settings,
                                              const datastore::ClipFormat& format);

// Which of `length` frames stand for a tracklet with these datastore::Role bits: all of a short
// one, again and again with fixed_length.
std::vector<int32_t> test_frames(const proto::Extraction& settings, int length, int32_t role);

}  // namespace muster::trainer
