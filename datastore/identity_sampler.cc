// P identities x K clips. The identities are shuffled anew for each epoch of floor(identities / P)
// batches; none comes twice in an epoch, and what the division leaves over sits out that epoch. An
// identity's clips take its cameras in turn.
#include "common/error.h"
#include "datastore/batch_samplers.h"

namespace muster::datastore {
namespace {

using common::KeyedRandom;

class IdentitySampler : public BatchPlanner {
 public:
  IdentitySampler(Identities identities, const ClipDrawer& drawer)
      : drawer_(drawer),
        identities_(std::move(identities)),
        order_(drawer.options().seed, kIdentityOrder, identities_.size()) {
    const int wanted = drawer.options().identities;
    if (identity_count() >= wanted) return;
    throw common::InputError("training.batch.identities",
                             std::to_string(wanted) + " are asked for but store " +
                                 drawer.store().directory().string() + " trains " +
                                 std::to_string(identity_count()),
                             "lower it");
  }
  int64_t identity_count() const override { return static_cast<int64_t>(identities_.size()); }
  int64_t clips_per_batch() const override {
    return int64_t{drawer_.options().identities} * drawer_.options().clips;
  }
  std::vector<ClipRequest> batch(int64_t step) const override {
    const BatchOptions& options = drawer_.options();
    std::vector<ClipRequest> clips;
    for (const int32_t label :
         order_.slice(static_cast<uint64_t>(step - 1), static_cast<size_t>(options.identities))) {
      for (int slot = 0; slot < options.clips; ++slot) {
        clips.push_back(draw_clip(label, slot, step, static_cast<uint64_t>(clips.size())));
      }
    }
    return clips;
  }

 private:
  ClipRequest draw_clip(int32_t label, int slot, int64_t step, uint64_t index) const {
    const TrainingIdentity& identity = identities_[static_cast<size_t>(label)];
    // One draw for the whole identity, so that its clips take different cameras in turn.
    KeyedRandom identity_random(
        common::combined_key({drawer_.options().seed, kTrackletChoice, static_cast<uint64_t>(step),
                              static_cast<uint64_t>(label)}));
    const size_t cameras = identity.tracklets_by_camera.size();
    const size_t camera = (identity_random.below(cameras) + static_cast<size_t>(slot)) % cameras;
    KeyedRandom stream = drawer_.stream(step, index);
    const int32_t tracklet = random_tracklet(identity.tracklets_by_camera[camera], stream);
    return drawer_.draw(tracklet, label, step, index, stream);
  }

  const ClipDrawer drawer_;
  const Identities identities_;
  const EpochOrder order_;
};

}  // namespace

std::unique_ptr<BatchPlanner> create_identity_sampler(Identities identities,
                                                      const ClipDrawer& drawer) {
  return std::make_unique<IdentitySampler>(std::move(identities), drawer);
}

}  // namespace muster::datastore
