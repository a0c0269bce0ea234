#include "datastore/batch_samplers.h"

#include <map>
#include <numeric>

#include "common/error.h"
#include "datastore/protocol.h"

namespace muster::datastore {

using common::combined_key;
using common::KeyedRandom;

std::vector<LabelledTracklet> labelled_tracklets(const std::vector<TrainingIdentity>& identities) {
  std::vector<LabelledTracklet> tracklets;
  for (size_t label = 0; label < identities.size(); ++label) {
    for (const std::vector<int32_t>& rows : identities[label].tracklets_by_camera) {
      for (const int32_t row : rows) tracklets.push_back({row, static_cast<int32_t>(label)});
    }
  }
  return tracklets;
}

std::vector<TrainingIdentity> training_identities(const TrackletStore& store,
                                                  const std::vector<int32_t>& roles, int shortest) {
  std::map<int32_t, std::map<int16_t, std::vector<int32_t>>> by_identity;
  const std::vector<StoredTracklet>& tracklets = store.tracklets();
  for (size_t row = 0; row < tracklets.size(); ++row) {
    if ((roles[row] & kRoleTrain) == 0 || tracklets[row].length < shortest) continue;
    by_identity[tracklets[row].identity][tracklets[row].camera].push_back(
        static_cast<int32_t>(row));
  }
  std::vector<TrainingIdentity> identities;
  for (auto& [identity, cameras] : by_identity) {
    TrainingIdentity entry;
    for (auto& [camera, rows] : cameras) entry.tracklets_by_camera.push_back(std::move(rows));
    identities.push_back(std::move(entry));
  }
  return identities;
}

KeyedRandom ClipDrawer::stream(int64_t step, uint64_t index) const {
  return KeyedRandom(combined_key({options_.seed, kWindow, static_cast<uint64_t>(step), index}));
}

ClipRequest ClipDrawer::draw(int32_t tracklet, int32_t label, int64_t step, uint64_t index,
                             KeyedRandom& stream) const {
  ClipRequest clip;
  clip.tracklet = tracklet;
  clip.label = label;
  clip.frames = choose_frames(options_.frame_choice, options_.short_tracklet,
                              store_->tracklets()[static_cast<size_t>(tracklet)].length,
                              options_.frames, stream);
  return finished(std::move(clip), step, index, stream);
}

ClipRequest ClipDrawer::draw_frame(int32_t tracklet, int32_t frame, int32_t label, int64_t step,
                                   uint64_t index) const {
  KeyedRandom fresh = stream(step, index);
  ClipRequest clip;
  clip.tracklet = tracklet;
  clip.label = label;
  clip.frames = {frame};
  return finished(std::move(clip), step, index, fresh);
}

// Window, mirror, boxes and key.
ClipRequest ClipDrawer::finished(ClipRequest clip, int64_t step, uint64_t index,
                                 KeyedRandom& stream) const {
  // The released code of the field draws offsets 1 .. slack; without chance the window is central.
  const int slack_y = format_.resize_height - format_.crop_height;
  const int slack_x = format_.resize_width - format_.crop_width;
  const auto offset = [&](int slack) {
    const int drawn =
        slack > 0 ? 1 + static_cast<int>(stream.below(static_cast<uint64_t>(slack))) : 0;
    return options_.random_crop ? drawn : slack / 2;
  };
  clip.transform.crop_y = offset(slack_y);
  clip.transform.crop_x = offset(slack_x);
  clip.transform.flip = stream.chance(0.5) && options_.random_flip;
  const FrameGeometry& geometry = store_->manifest().geometry;
  clip.transform.boxes = occlusion_boxes(options_.occlusion, clip.tracklet, clip.frames,
                                         geometry.height, geometry.width);
  clip.key = combined_key({options_.seed, kNetwork, static_cast<uint64_t>(step), index});
  return clip;
}

ClipRequest ClipDrawer::draw(int32_t tracklet, int32_t label, int64_t step, uint64_t index) const {
  KeyedRandom fresh = stream(step, index);
  return draw(tracklet, label, step, index, fresh);
}

std::vector<int32_t> EpochOrder::slice(uint64_t number, size_t size) const {
  MUSTER_REQUIRE(size, >, 0u);
  MUSTER_REQUIRE(size, <=, items_);
  const uint64_t slices = items_ / size;
  const uint64_t epoch = number / slices;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (epoch != epoch_) {
    order_.resize(items_);
    std::iota(order_.begin(), order_.end(), 0);
    KeyedRandom(combined_key({seed_, purpose_, epoch})).shuffle(order_);
    epoch_ = epoch;
  }
  const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(number % slices * size);
  return {begin, begin + static_cast<std::ptrdiff_t>(size)};
}

const std::vector<int32_t>& random_camera(const TrainingIdentity& identity, KeyedRandom& random) {
  return identity.tracklets_by_camera[random.below(identity.tracklets_by_camera.size())];
}

int32_t random_tracklet(const std::vector<int32_t>& rows, KeyedRandom& random) {
  return rows[random.below(rows.size())];
}

}  // namespace muster::datastore
