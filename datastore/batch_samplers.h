// The samplers behind create_batch_planner, and what they share. Outside of the samplers' sources
// and tests use datastore/batch_plan.h.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/keyed_random.h"
#include "datastore/batch_plan.h"

namespace muster::datastore {

// What a draw is for; part of its key.
enum DrawPurpose : uint64_t {
  kIdentityOrder = 1,
  kTrackletChoice = 2,
  kWindow = 3,
  kNetwork = 4,
  kPairChoice = 5,
  kTripletChoice = 6,
  kTrackletOrder = 7,
  kFrameOrder = 8,
};

// Rows of one identity's training tracklets, by camera in ascending order; no camera without any.
struct TrainingIdentity {
  std::vector<std::vector<int32_t>> tracklets_by_camera;
};

// In ascending order of identity: the place is the label. Only tracklets of at least `shortest`
// frames; who has none is left out.
std::vector<TrainingIdentity> training_identities(const TrackletStore& store,
                                                  const std::vector<int32_t>& roles, int shortest);

struct LabelledTracklet {
  int32_t row, label;
};
// All of them, by label, camera and row.
std::vector<LabelledTracklet> labelled_tracklets(const std::vector<TrainingIdentity>& identities);

// Makes clips: frames, window, mirror, boxes and key of a tracklet that a sampler chose.
class ClipDrawer {
 public:
  ClipDrawer(const TrackletStore& store, const ClipFormat& format, const BatchOptions& options)
      : store_(&store), format_(format), options_(options) {}
  const BatchOptions& options() const { return options_; }
  const TrackletStore& store() const { return *store_; }
  // The stream of clip `index` of a step. A sampler may draw the tracklet from it first.
  common::KeyedRandom stream(int64_t step, uint64_t index) const;
  ClipRequest draw(int32_t tracklet, int32_t label, int64_t step, uint64_t index,
                   common::KeyedRandom& stream) const;
  // The same from a fresh stream.
  ClipRequest draw(int32_t tracklet, int32_t label, int64_t step, uint64_t index) const;
  // Of that one frame, from a fresh stream.
  ClipRequest draw_frame(int32_t tracklet, int32_t frame, int32_t label, int64_t step,
                         uint64_t index) const;

 private:
  ClipRequest finished(ClipRequest clip, int64_t step, uint64_t index,
                       common::KeyedRandom& stream) const;

  const TrackletStore* store_;
  ClipFormat format_;
  BatchOptions options_;
};

// Slices of a shuffled order of `items` things. An epoch has as many whole slices as fit, none of
// its things comes twice, and what is left over sits it out; the next epoch is shuffled anew.
// Remembers the last epoch, so that a run of steps shuffles once; any slice may be asked for at any
// time. Any thread.
class EpochOrder {
 public:
  EpochOrder(uint64_t seed, DrawPurpose purpose, size_t items)
      : seed_(seed), purpose_(purpose), items_(items) {}
  // Slice `number`, from 0 over all epochs, of those of `size` things. Requires 0 < size <= items.
  std::vector<int32_t> slice(uint64_t number, size_t size) const;

 private:
  const uint64_t seed_;
  const DrawPurpose purpose_;
  const size_t items_;
  mutable std::mutex mutex_;
  mutable uint64_t epoch_ = UINT64_MAX;
  mutable std::vector<int32_t> order_;
};

// Uniform draws from one identity.
const std::vector<int32_t>& random_camera(const TrainingIdentity& identity,
                                          common::KeyedRandom& random);
int32_t random_tracklet(const std::vector<int32_t>& rows, common::KeyedRandom& random);

using Identities = std::vector<TrainingIdentity>;
std::unique_ptr<BatchPlanner> create_identity_sampler(Identities identities, const ClipDrawer&);
std::unique_ptr<BatchPlanner> create_tracklet_sampler(Identities identities, const ClipDrawer&);
std::unique_ptr<BatchPlanner> create_frame_sampler(Identities identities, const ClipDrawer&);
std::unique_ptr<BatchPlanner> create_pair_sampler(Identities identities, const ClipDrawer&);
std::unique_ptr<BatchPlanner> create_triplet_sampler(Identities identities, const ClipDrawer&);

}  // namespace muster::datastore
