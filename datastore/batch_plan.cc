#include "datastore/batch_plan.h"

#include "common/error.h"
#include "common/sha256.h"
#include "datastore/batch_samplers.h"

namespace muster::datastore {
namespace {

// A batch is one tensor. A single clip may be as long as it likes.
void demand_clips_of_one_length(const BatchOptions& options, const BatchPlanner& planner) {
  if (options.sampler == Sampler::kFrames) return;
  const bool lengths_differ = options.frame_choice == FrameChoice::kAll ||
                              options.short_tracklet == ShortTracklet::kShorterClip;
  if (!lengths_differ || planner.clips_per_batch() == 1) return;
  throw common::InputError("training.batch.frame_choice",
                           "the " + std::to_string(planner.clips_per_batch()) +
                               " clips of a batch would differ in their number of frames",
                           "use sampler TRACKLETS with size 1, or choose as many of each");
}

std::unique_ptr<BatchPlanner> create_sampler(Identities identities, const ClipDrawer& drawer) {
  switch (drawer.options().sampler) {
    case Sampler::kTracklets:
      return create_tracklet_sampler(std::move(identities), drawer);
    case Sampler::kFrames:
      return create_frame_sampler(std::move(identities), drawer);
    case Sampler::kPairs:
      return create_pair_sampler(std::move(identities), drawer);
    case Sampler::kTriplets:
      return create_triplet_sampler(std::move(identities), drawer);
    case Sampler::kIdentities:
      break;
  }
  return create_identity_sampler(std::move(identities), drawer);
}

}  // namespace

std::unique_ptr<BatchPlanner> create_batch_planner(const TrackletStore& store,
                                                   const std::vector<int32_t>& roles,
                                                   const ClipFormat& format,
                                                   const BatchOptions& options) {
  const bool leave_out = options.short_tracklet == ShortTracklet::kLeaveOut &&
                         options.frame_choice != FrameChoice::kAll &&
                         options.sampler != Sampler::kFrames;
  const int shortest = leave_out ? options.frames : 1;
  std::vector<TrainingIdentity> identities = training_identities(store, roles, shortest);
  if (identities.empty()) {
    throw common::InputError(store.directory().string(),
                             "no tracklet of the training part is long enough",
                             "lower training.batch.frames or repeat frames of short tracklets");
  }
  auto planner = create_sampler(std::move(identities), ClipDrawer(store, format, options));
  demand_clips_of_one_length(options, *planner);
  return planner;
}

std::string batch_hash(const std::vector<ClipRequest>& batch) {
  common::Sha256 hash;
  for (const ClipRequest& clip : batch) {
    std::string text = std::to_string(clip.tracklet) + ":";
    for (const int32_t frame : clip.frames) text += std::to_string(frame) + ",";
    text += "@" + std::to_string(clip.transform.crop_y) + "," +
            std::to_string(clip.transform.crop_x) + (clip.transform.flip ? "f" : "-");
    for (const PixelBox& box : clip.transform.boxes) {
      text += "b" + std::to_string(box.y) + "," + std::to_string(box.x) + "," +
              std::to_string(box.height) + "," + std::to_string(box.width);
    }
    hash.update(text + "\n");
  }
  return hash.finish();
}

ClipRange share_of_rank(int64_t clips, int rank, int size) {
  return {clips * rank / size, clips * (rank + 1) / size};
}

}  // namespace muster::datastore
