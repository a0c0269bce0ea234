// `size` clips of one frame each, every frame of the training tracklets as likely as any other.
// They are shuffled anew for each epoch of floor(frames / size) batches; none comes twice in an
// epoch, and what the division leaves over sits out that epoch.
#include <algorithm>

#include "common/error.h"
#include "datastore/batch_samplers.h"

namespace muster::datastore {
namespace {

class FrameSampler : public BatchPlanner {
 public:
  FrameSampler(const Identities& identities, const ClipDrawer& drawer)
      : drawer_(drawer),
        identity_count_(static_cast<int64_t>(identities.size())),
        tracklets_(counted(identities, drawer.store())),
        order_(drawer.options().seed, kFrameOrder, static_cast<size_t>(tracklets_.back().end)) {
    if (drawer.options().size <= tracklets_.back().end) return;
    throw common::InputError("training.batch.size",
                             std::to_string(drawer.options().size) +
                                 " frames are asked for but store " +
                                 drawer.store().directory().string() + " trains " +
                                 std::to_string(tracklets_.back().end),
                             "lower it");
  }
  int64_t identity_count() const override { return identity_count_; }
  int64_t clips_per_batch() const override { return drawer_.options().size; }
  std::vector<ClipRequest> batch(int64_t step) const override {
    const auto size = static_cast<size_t>(drawer_.options().size);
    std::vector<ClipRequest> clips;
    for (const int32_t place : order_.slice(static_cast<uint64_t>(step - 1), size)) {
      const auto found =
          std::upper_bound(tracklets_.begin(), tracklets_.end(), place,
                           [](int32_t frame, const Counted& item) { return frame < item.end; });
      const int32_t first = found == tracklets_.begin() ? 0 : std::prev(found)->end;
      clips.push_back(drawer_.draw_frame(found->tracklet.row, place - first, found->tracklet.label,
                                         step, clips.size()));
    }
    return clips;
  }

 private:
  struct Counted {
    LabelledTracklet tracklet;
    int32_t end;  // frames up to the end of this tracklet, counted over all that train
  };
  static std::vector<Counted> counted(const Identities& identities, const TrackletStore& store) {
    std::vector<Counted> tracklets;
    int64_t end = 0;
    for (const LabelledTracklet& tracklet : labelled_tracklets(identities)) {
      end += store.tracklets()[static_cast<size_t>(tracklet.row)].length;
      MUSTER_REQUIRE(end, <=, INT32_MAX);
      tracklets.push_back({tracklet, static_cast<int32_t>(end)});
    }
    return tracklets;
  }

  const ClipDrawer drawer_;
  const int64_t identity_count_;
  const std::vector<Counted> tracklets_;
  const EpochOrder order_;
};

}  // namespace

std::unique_ptr<BatchPlanner> create_frame_sampler(Identities identities,
                                                   const ClipDrawer& drawer) {
  return std::make_unique<FrameSampler>(identities, drawer);
}

}  // namespace muster::datastore
