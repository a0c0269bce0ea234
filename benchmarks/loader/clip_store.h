// A store of synthetic pictures for the loader's rows, in a directory that goes away.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "datastore/batch_plan.h"
#include "datastore/tracklet_store.h"

namespace muster::benchmarks {

constexpr int kFrameHeight = 256, kFrameWidth = 128, kFlowHeight = 64, kFlowWidth = 32;
constexpr int kTrackletFrames = 64, kClipFrames = 16, kClipsPerBatch = 8;

class ClipStore {
 public:
  // `frames` of waves under noise, as tracklets of kTrackletFrames; with flow if raw.
  ClipStore(const std::filesystem::path& parent, datastore::FrameEncoding encoding, int frames);
  ~ClipStore();
  ClipStore(const ClipStore&) = delete;
  ClipStore& operator=(const ClipStore&) = delete;
  const datastore::TrackletStore& store() const { return *store_; }
  // Tracklets uniformly, windows at random.
  std::unique_ptr<datastore::BatchPlanner> planner(const datastore::ClipFormat& format) const;
  // Reads everything once from the disk: checksums are tested, the pages are in memory.
  void warm_up() const;

 private:
  std::filesystem::path directory_;
  std::unique_ptr<datastore::TrackletStore> store_;
};

}  // namespace muster::benchmarks
