// `size` pairs, negative and positive in turn over the whole training, as STSRN's ancestors train.
// A positive pair is one person under two cameras, the camera with the smaller number first; in an
// epoch of 2 x persons pairs every person that two cameras saw is positive once, in shuffled order.
// A negative pair is two different persons, each under a camera drawn from their own.
#include "common/error.h"
#include "datastore/batch_samplers.h"

namespace muster::datastore {
namespace {

using common::KeyedRandom;

class PairSampler : public BatchPlanner {
 public:
  PairSampler(Identities identities, const ClipDrawer& drawer)
      : drawer_(drawer),
        identities_(std::move(identities)),
        matched_(seen_twice(identities_)),
        order_(drawer.options().seed, kIdentityOrder, matched_.size()) {
    if (identities_.size() >= 2 && !matched_.empty()) return;
    throw common::InputError(drawer.store().directory().string(),
                             "pairs need two persons to train, one of them under two cameras",
                             "use another training.batch.sampler");
  }
  int64_t identity_count() const override { return static_cast<int64_t>(identities_.size()); }
  int64_t clips_per_batch() const override { return 2 * int64_t{drawer_.options().size}; }
  std::vector<ClipRequest> batch(int64_t step) const override {
    std::vector<ClipRequest> clips;
    const auto size = static_cast<uint64_t>(drawer_.options().size);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t pair = static_cast<uint64_t>(step - 1) * size + i;
      for (const Choice& choice : pair % 2 == 0 ? negative(pair) : positive(pair)) {
        clips.push_back(drawer_.draw(choice.row, choice.label, step, clips.size()));
      }
    }
    return clips;
  }

 private:
  struct Choice {
    int32_t row, label;
  };
  static std::vector<int32_t> seen_twice(const Identities& identities) {
    std::vector<int32_t> labels;
    for (size_t label = 0; label < identities.size(); ++label) {
      if (identities[label].tracklets_by_camera.size() >= 2) {
        labels.push_back(static_cast<int32_t>(label));
      }
    }
    return labels;
  }
  KeyedRandom stream_of(uint64_t pair) const {
    return KeyedRandom(common::combined_key({drawer_.options().seed, kPairChoice, pair}));
  }
  std::vector<Choice> positive(uint64_t pair) const {
    const int32_t place = order_.slice(pair / 2, 1)[0];
    const int32_t label = matched_[static_cast<size_t>(place)];
    const auto& cameras = identities_[static_cast<size_t>(label)].tracklets_by_camera;
    KeyedRandom random = stream_of(pair);
    size_t first = random.below(cameras.size());
    size_t second = random.below(cameras.size() - 1);
    if (second >= first) ++second;
    if (second < first) std::swap(first, second);
    const int32_t row = random_tracklet(cameras[first], random);
    return {{row, label}, {random_tracklet(cameras[second], random), label}};
  }
  std::vector<Choice> negative(uint64_t pair) const {
    KeyedRandom random = stream_of(pair);
    const uint64_t first = random.below(identities_.size());
    uint64_t second = random.below(identities_.size() - 1);
    if (second >= first) ++second;
    std::vector<Choice> choices;
    for (const uint64_t label : {first, second}) {
      const std::vector<int32_t>& rows = random_camera(identities_[label], random);
      choices.push_back({random_tracklet(rows, random), static_cast<int32_t>(label)});
    }
    return choices;
  }

  const ClipDrawer drawer_;
  const Identities identities_;
  const std::vector<int32_t> matched_;  // labels of those whom two cameras saw
  const EpochOrder order_;
};

}  // namespace

std::unique_ptr<BatchPlanner> create_pair_sampler(Identities identities, const ClipDrawer& drawer) {
  return std::make_unique<PairSampler>(std::move(identities), drawer);
}

}  // namespace muster::datastore
