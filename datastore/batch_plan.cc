#include "datastore/batch_plan.h"

#include <map>
#include <numeric>

#include "common/error.h"
#include "common/keyed_random.h"
#include "common/sha256.h"
#include "datastore/protocol.h"

namespace muster::datastore {
namespace {

using common::combined_key;
using common::KeyedRandom;

// What a draw is for; part of its key.
enum Purpose : uint64_t { kIdentityOrder = 1, kTrackletChoice = 2, kWindow = 3, kNetwork = 4 };

}  // namespace

BatchPlanner::BatchPlanner(const TrackletStore& store, const std::vector<int32_t>& roles,
                           const ClipFormat& format, const BatchOptions& options)
    : store_(store), format_(format), options_(options) {
  std::map<int32_t, std::map<int16_t, std::vector<int32_t>>> by_identity;
  const std::vector<StoredTracklet>& tracklets = store.tracklets();
  for (size_t row = 0; row < tracklets.size(); ++row) {
    if ((roles[row] & kRoleTrain) == 0) continue;
    by_identity[tracklets[row].identity][tracklets[row].camera].push_back(
        static_cast<int32_t>(row));
  }
  for (const auto& [identity, cameras] : by_identity) {
    Identity entry;
    for (const auto& [camera, rows] : cameras) entry.tracklets_by_camera.push_back(rows);
    identities_.push_back(std::move(entry));
  }
  if (identity_count() < options.identities) {
    throw common::InputError("training.batch.identities",
                             std::to_string(options.identities) + " are asked for but store " +
                                 store.directory().string() + " trains " +
                                 std::to_string(identity_count()),
                             "lower it");
  }
}

std::vector<ClipRequest> BatchPlanner::batch(int64_t step) const {
  const auto index = static_cast<uint64_t>(step - 1);
  const uint64_t batches_per_epoch =
      static_cast<uint64_t>(identity_count()) / static_cast<uint64_t>(options_.identities);
  const uint64_t epoch = index / batches_per_epoch;
  std::vector<int32_t> order(identities_.size());
  std::iota(order.begin(), order.end(), 0);
  KeyedRandom(combined_key({options_.seed, kIdentityOrder, epoch})).shuffle(order);
  const size_t first = (index % batches_per_epoch) * static_cast<size_t>(options_.identities);
  std::vector<ClipRequest> clips;
  for (int identity = 0; identity < options_.identities; ++identity) {
    for (int slot = 0; slot < options_.clips; ++slot) {
      clips.push_back(draw_clip(order[first + static_cast<size_t>(identity)], slot, step,
                                static_cast<uint64_t>(clips.size())));
    }
  }
  return clips;
}

ClipRequest BatchPlanner::draw_clip(int32_t label, int slot, int64_t step, uint64_t index) const {
  const auto step_key = static_cast<uint64_t>(step);
  const Identity& identity = identities_[static_cast<size_t>(label)];
  // One draw for the whole identity, so that its clips take different cameras in turn.
  KeyedRandom identity_random(
      combined_key({options_.seed, kTrackletChoice, step_key, static_cast<uint64_t>(label)}));
  const size_t cameras = identity.tracklets_by_camera.size();
  const size_t camera = (identity_random.below(cameras) + static_cast<size_t>(slot)) % cameras;
  KeyedRandom random(combined_key({options_.seed, kWindow, step_key, index}));
  const std::vector<int32_t>& rows = identity.tracklets_by_camera[camera];
  ClipRequest clip;
  clip.tracklet = rows[random.below(rows.size())];
  clip.label = label;
  const int length = store_.tracklets()[static_cast<size_t>(clip.tracklet)].length;
  const int starts = std::max(1, length - options_.frames + 1);
  const auto start = static_cast<int>(random.below(static_cast<uint64_t>(starts)));
  for (int frame = 0; frame < options_.frames; ++frame) {
    clip.frames.push_back((start + frame) % length);
  }
  // The released code of the field draws offsets 1 .. slack; without chance the window is central.
  const int slack_y = format_.resize_height - format_.crop_height;
  const int slack_x = format_.resize_width - format_.crop_width;
  const auto offset = [&](int slack) {
    const int drawn =
        slack > 0 ? 1 + static_cast<int>(random.below(static_cast<uint64_t>(slack))) : 0;
    return options_.random_crop ? drawn : slack / 2;
  };
  clip.transform.crop_y = offset(slack_y);
  clip.transform.crop_x = offset(slack_x);
  clip.transform.flip = random.chance(0.5) && options_.random_flip;
  clip.key = combined_key({options_.seed, kNetwork, step_key, index});
  return clip;
}

std::string batch_hash(const std::vector<ClipRequest>& batch) {
  common::Sha256 hash;
  for (const ClipRequest& clip : batch) {
    std::string text = std::to_string(clip.tracklet) + ":";
    for (const int32_t frame : clip.frames) text += std::to_string(frame) + ",";
    text += "@" + std::to_string(clip.transform.crop_y) + "," +
            std::to_string(clip.transform.crop_x) + (clip.transform.flip ? "f" : "-") + "\n";
    hash.update(text);
  }
  return hash.finish();
}

ClipRange share_of_rank(int64_t clips, int rank, int size) {
  return {clips * rank / size, clips * (rank + 1) / size};
}

}  // namespace muster::datastore
