// Reads and decodes this rank's share of every batch in threads, ahead of the step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datastore/batch_plan.h"
#include "datastore/clip_transform.h"
#include "datastore/large_buffer.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

struct LoaderOptions {
  int rank = 0, size = 1;                 // which share of each batch
  int64_t first_step = 1, last_step = 1;  // inclusive
  int threads = 1;
  int prefetch_batches = 4;  // how many steps ahead
  bool transform = false;    // fill `values` and `joints_in_window` too: training on a CPU
};

// One rank's share of the global batch of a step: bytes as they are stored, and what is to be done
// with them in `global[share.begin + clip].transform`.
struct LoadedBatch {
  int64_t step = 0;
  std::vector<ClipRequest> global;  // all clips of all ranks, in order
  ClipRange share;                  // which of them lie below; `clips` is their number
  double waited_seconds = 0;        // by next(), until all of it was here
  int frames = 0;                   // per clip
  int height = 0, width = 0, flow_height = 0, flow_width = 0;
  LargeBuffer<uint8_t> rgb;   // [clips, frames, height, width, 3]
  LargeBuffer<int8_t> flow;   // [clips, frames, flow_height, flow_width, 2], if the format has flow
  std::vector<Joint> joints;  // [clips, frames, kJointCount], if the format has joints
  // With LoaderOptions::transform:
  std::vector<float> values;            // [clips, frames, channels, crop_height, crop_width]
  std::vector<Joint> joints_in_window;  // [clips, frames, kJointCount], if the format has joints
  // The bytes of one clip of the share, counted from 0.
  ClipView clip(int64_t number) const;
};

// Throws InputError naming the store if it has no flow or joints and the format wants them.
void require_readable(const TrackletStore& store, const ClipFormat& format);

// Reads the frames of one clip from the store.
StoredClip read_clip(const TrackletStore& store, const StoredTracklet& tracklet,
                     const std::vector<int32_t>& frames, bool with_flow, bool with_joints = false);

// next() and recycle() are called by one thread. The store, planner and format must outlive the
// loader. The content of a batch depends neither on threads nor on prefetch.
class ClipLoader {
 public:
  // Throws as require_readable.
  ClipLoader(const TrackletStore& store, const BatchPlanner& planner, const ClipFormat& format,
             const LoaderOptions& options);
  ~ClipLoader();
  // The batches of first_step, first_step + 1, ... Waits until it is ready. Rethrows what reading
  // threw.
  LoadedBatch next();
  // Gives a batch's memory back for later batches. Without it every batch takes fresh memory, which
  // costs as much as filling it.
  void recycle(LoadedBatch batch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
