// `size` triplets (anchor, positive, negative), as STAL trains. In an epoch of as many triplets as
// persons everyone is anchor once, in shuffled order. Positive is the same person, negative any
// other one; the three cameras are drawn independently, so anchor and positive may be one tracklet.
#include "common/error.h"
#include "datastore/batch_samplers.h"

namespace muster::datastore {
namespace {

using common::KeyedRandom;

class TripletSampler : public BatchPlanner {
 public:
  TripletSampler(Identities identities, const ClipDrawer& drawer)
      : drawer_(drawer),
        identities_(std::move(identities)),
        order_(drawer.options().seed, kIdentityOrder, identities_.size()) {
    if (identities_.size() >= 2) return;
    throw common::InputError(drawer.store().directory().string(),
                             "triplets need two persons to train",
                             "use another training.batch.sampler");
  }
  int64_t identity_count() const override { return static_cast<int64_t>(identities_.size()); }
  int64_t clips_per_batch() const override { return 3 * int64_t{drawer_.options().size}; }
  std::vector<ClipRequest> batch(int64_t step) const override {
    std::vector<ClipRequest> clips;
    const auto size = static_cast<uint64_t>(drawer_.options().size);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t triplet = static_cast<uint64_t>(step - 1) * size + i;
      KeyedRandom random(common::combined_key({drawer_.options().seed, kTripletChoice, triplet}));
      const int32_t anchor = order_.slice(triplet, 1)[0];
      auto other = static_cast<int32_t>(random.below(identities_.size() - 1));
      if (other >= anchor) ++other;
      for (const int32_t label : {anchor, anchor, other}) {
        const std::vector<int32_t>& rows =
            random_camera(identities_[static_cast<size_t>(label)], random);
        clips.push_back(drawer_.draw(random_tracklet(rows, random), label, step, clips.size()));
      }
    }
    return clips;
  }

 private:
  const ClipDrawer drawer_;
  const Identities identities_;
  const EpochOrder order_;
};

}  // namespace

std::unique_ptr<BatchPlanner> create_triplet_sampler(Identities identities,
                                                     const ClipDrawer& drawer) {
  return std::make_unique<TripletSampler>(std::move(identities), drawer);
}

}  // namespace muster::datastore
