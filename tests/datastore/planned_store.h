// A small store and the batches planned from it.
#pragma once

#include "datastore/batch_plan.h"
#include "datastore/protocol.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {

struct PlannedStore : OwnStore {
  using OwnStore::OwnStore;
  // The roles with which every tracklet trains.
  std::vector<int32_t> everyone() const {
    return std::vector<int32_t>(store->tracklets().size(), kRoleTrain);
  }
  std::unique_ptr<BatchPlanner> planner(const BatchOptions& batch) const {
    return create_batch_planner(*store, everyone(), ClipFormat{}, batch);
  }
  const StoredTracklet& tracklet(const ClipRequest& clip) const {
    return store->tracklets()[static_cast<size_t>(clip.tracklet)];
  }
};

}  // namespace muster::datastore
