// Which tracklets of a dataset a store gets.
#pragma once

#include <cstddef>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/ingest.h"

namespace muster::datastore {

// Tracklets that can be stored, and what is left out because it cannot. Pictures are only looked at
// when unreadable ones are to be left out: the shard plan must be known before work starts.
struct TrackletSelection {
  std::vector<size_t> tracklets;
  std::vector<LeftOut> left_out;
};

TrackletSelection select_tracklets(const DatasetReader& dataset, const IngestOptions& options,
                                   common::ProgressSink& progress);

}  // namespace muster::datastore
