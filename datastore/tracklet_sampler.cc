// `size` tracklets, every tracklet as likely as any other. They are shuffled anew for each epoch of
// floor(tracklets / size) batches; none comes twice in an epoch, and what the division leaves over
// sits out that epoch.
#include "common/error.h"
#include "datastore/batch_samplers.h"

namespace muster::datastore {
namespace {

class TrackletSampler : public BatchPlanner {
 public:
  TrackletSampler(const Identities& identities, const ClipDrawer& drawer)
      : drawer_(drawer),
        identity_count_(static_cast<int64_t>(identities.size())),
        tracklets_(labelled_tracklets(identities)),
        order_(drawer.options().seed, kTrackletOrder, tracklets_.size()) {
    if (drawer.options().size <= static_cast<int64_t>(tracklets_.size())) return;
    throw common::InputError(
        "training.batch.size",
        std::to_string(drawer.options().size) + " tracklets are asked for but store " +
            drawer.store().directory().string() + " trains " + std::to_string(tracklets_.size()),
        "lower it");
  }
  int64_t identity_count() const override { return identity_count_; }
  int64_t clips_per_batch() const override { return drawer_.options().size; }
  std::vector<ClipRequest> batch(int64_t step) const override {
    const auto size = static_cast<size_t>(drawer_.options().size);
    std::vector<ClipRequest> clips;
    for (const int32_t place : order_.slice(static_cast<uint64_t>(step - 1), size)) {
      const auto [row, label] = tracklets_[static_cast<size_t>(place)];
      clips.push_back(drawer_.draw(row, label, step, clips.size()));
    }
    return clips;
  }

 private:
  const ClipDrawer drawer_;
  const int64_t identity_count_;
  const std::vector<LabelledTracklet> tracklets_;
  const EpochOrder order_;
};

}  // namespace

std::unique_ptr<BatchPlanner> create_tracklet_sampler(Identities identities,
                                                      const ClipDrawer& drawer) {
  return std::make_unique<TrackletSampler>(identities, drawer);
}

}  // namespace muster::datastore
