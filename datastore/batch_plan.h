// Which clips make up the global batch of a step: a function of seed and step alone, so it does not
// know how many ranks there are and can start anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datastore/clip_format.h"
#include "datastore/frame_choice.h"
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

// How a batch is put together; each has a source of its own (*_sampler.cc).
enum class Sampler {
  kIdentities,  // P identities x K clips, identity-balanced
  kTracklets,   // `size` tracklets, uniformly
  kFrames,      // `size` clips of one frame, uniformly over all frames
  kPairs,       // `size` pairs, negative and positive in turn, two clips each
  kTriplets,    // `size` triplets (anchor, positive, negative), three clips each
};

struct BatchOptions {
  uint64_t seed = 1;
  int identities = 8, clips = 2,
      frames = 16;  // P and K of kIdentities; T of every other sampler but kFrames
  bool random_crop = true, random_flip = true;
  Sampler sampler = Sampler::kIdentities;
  int size = 1;  // of the other samplers
  FrameChoice frame_choice = FrameChoice::kConsecutive;
  ShortTracklet short_tracklet = ShortTracklet::kStartOver;
  OcclusionOptions occlusion;
};

class BatchPlanner {
 public:
  virtual ~BatchPlanner() = default;
  // Who trains; labels are below it.
  virtual int64_t identity_count() const = 0;
  virtual int64_t clips_per_batch() const = 0;
  // The global batch of step 1, 2, ... in its order; how large the step is does not matter for the
  // time it takes. Any thread.
  virtual std::vector<ClipRequest> batch(int64_t step) const = 0;
};

// `roles` as assign_roles gives them; tracklets without kRoleTrain, and with kLeaveOut those
// shorter than T, are never drawn. The store must outlive the planner. Throws InputError if what
// trains cannot fill a batch, or if the clips of a batch would differ in length: kAll and
// kShorterClip want batches of one clip.
std::unique_ptr<BatchPlanner> create_batch_planner(const TrackletStore& store,
                                                   const std::vector<int32_t>& roles,
                                                   const ClipFormat& format,
                                                   const BatchOptions& options);

// SHA-256 over (tracklet, frames, transform) of every clip in order.
std::string batch_hash(const std::vector<ClipRequest>& batch);

// Clips [begin, end) of a global batch of `clips` that rank `rank` of `size` handles; shares differ
// by at most one clip and may be empty.
struct ClipRange {
  int64_t begin = 0, end = 0;
};
ClipRange share_of_rank(int64_t clips, int rank, int size);

}  // namespace muster::datastore
