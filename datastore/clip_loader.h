// Decodes and transforms this rank's share of every batch in threads, ahead of the step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datastore/batch_plan.h"
#include "datastore/clip_transform.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

struct LoaderOptions {
  int rank = 0, size = 1;                 // which share of each batch
  int64_t first_step = 1, last_step = 1;  // inclusive
  int threads = 1;
  int prefetch_batches = 4;  // how many steps ahead
};

// One rank's share of the global batch of a step.
struct LoadedBatch {
  int64_t step = 0;
  std::vector<ClipRequest> global;  // all clips of all ranks, in order
  ClipRange share;                  // which of them lie in `values`
  int frames = 0;                   // per clip
  std::vector<float> values;        // [clips, frames, channels, height, width]
};

// Reads the frames of one clip from the store.
StoredClip read_clip(const TrackletStore& store, const StoredTracklet& tracklet,
                     const std::vector<int32_t>& frames, bool with_flow);

// next() is called by one thread. The store, planner and format must outlive the loader. The
// content of a batch does not depend on threads or on prefetch.
class ClipLoader {
 public:
  ClipLoader(const TrackletStore& store, const BatchPlanner& planner, const ClipFormat& format,
             const LoaderOptions& options);
  ~ClipLoader();
  // The batches of first_step, first_step + 1, ... Waits until it is ready. Rethrows what reading
  // threw.
  LoadedBatch next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
