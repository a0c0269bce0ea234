// Which clips make up the global batch of a step: a function of seed and step alone, so it does not
// know how many ranks there are and can start anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/clip_transform.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

// One clip of a batch.
struct ClipRequest {
  int32_t tracklet = 0;         // row in the store
  int32_t label = 0;            // identity, 0 .. identities - 1 among the training identities
  std::vector<int32_t> frames;  // within the tracklet, in order
  ClipTransform transform;
  uint64_t key = 0;  // of all further chance inside the network
};

struct BatchOptions {
  uint64_t seed = 1;
  int identities = 8, clips = 2, frames = 16;  // P, K, T
  bool random_crop = true, random_flip = true;
};

// P identities x K clips of T consecutive frames with a random start. The identities are shuffled
// anew for each epoch of floor(identities / P) batches; none comes twice in an epoch, and what the
// division leaves over sits out that epoch. An identity's clips take its cameras in turn. A
// tracklet shorter than T starts over.
class BatchPlanner {
 public:
  // `roles` as assign_roles gives them. Throws InputError if fewer than P identities train.
  BatchPlanner(const TrackletStore& store, const std::vector<int32_t>& roles,
               const ClipFormat& format, const BatchOptions& options);
  int64_t identity_count() const { return static_cast<int64_t>(identities_.size()); }
  int64_t clips_per_batch() const { return int64_t{options_.identities} * options_.clips; }
  // The global batch of step 1, 2, ... in its order. Any thread.
  std::vector<ClipRequest> batch(int64_t step) const;

 private:
  struct Identity {
    std::vector<std::vector<int32_t>> tracklets_by_camera;
  };
  ClipRequest draw_clip(int32_t label, int slot, int64_t step, uint64_t index) const;

  const TrackletStore& store_;
  const ClipFormat format_;
  const BatchOptions options_;
  std::vector<Identity> identities_;
};

// SHA-256 over (tracklet, frames, transform) of every clip in order.
std::string batch_hash(const std::vector<ClipRequest>& batch);

// Clips [begin, end) of a global batch of `clips` that rank `rank` of `size` handles; shares differ
// by at most one clip and may be empty.
struct ClipRange {
  int64_t begin = 0, end = 0;
};
ClipRange share_of_rank(int64_t clips, int rank, int size);

}  // namespace muster::datastore
