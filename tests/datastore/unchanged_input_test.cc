// What training sees with the default settings must not move between versions: the batches of the
// identity-balanced sampler and the bits of the transform, as version 0.1 computed them.
#include <gtest/gtest.h>

#include "common/keyed_random.h"
#include "common/sha256.h"
#include "datastore/clip_transform.h"
#include "tests/datastore/planned_store.h"

namespace muster::datastore {
namespace {

TEST(UnchangedInputTest, BatchesOfTheIdentityBalancedSampler) {
  FakeDataset dataset;
  for (int16_t camera = 1; camera <= 3; ++camera) {
    for (int32_t identity = 1; identity <= 7; ++identity) {
      if ((identity + camera) % 4 != 0) dataset.add(identity, camera, 2 + 3 * identity);
    }
  }
  dataset.add(1, 1, 5, 1);
  const PlannedStore own(dataset);
  BatchOptions options;
  options.seed = 5, options.identities = 3, options.clips = 2, options.frames = 7;
  const auto plan = own.planner(options);
  std::string hashes, keys;
  for (int64_t step = 1; step <= 50; ++step) {
    hashes += batch_hash(plan->batch(step));
    for (const ClipRequest& clip : plan->batch(step)) {
      keys += std::to_string(clip.key) + "," + std::to_string(clip.label) + ";";
    }
  }
  EXPECT_EQ(common::sha256_of(hashes),
            "9853e100c107045df9da4dd7d1d161131bc2c29bf746ac498aa8cb338338ce98");
  EXPECT_EQ(common::sha256_of(keys),
            "e3e337965f7f4cbabef853677c1c8165ec7a1906360f4904e589ccf2caf80431");
}

TEST(UnchangedInputTest, BitsOfTheTransform) {
  common::KeyedRandom random(2024);
  StoredClip clip;
  clip.frames = 2, clip.height = clip.flow_height = 64, clip.width = clip.flow_width = 48;
  for (int frame = 0; frame < 2; ++frame) {
    for (int i = 0; i < 64 * 48 * 3; ++i) {
      clip.rgb.push_back(static_cast<uint8_t>(random.below(256)));
    }
    for (int i = 0; i < 64 * 48 * 2; ++i) {
      clip.flow.push_back(static_cast<int8_t>(static_cast<int>(random.below(255)) - 127));
    }
  }
  std::vector<float> values(size_t{2} * 5 * 56 * 40);
  apply_clip_transform(clip.view(), ClipFormat{}, {3, 5, true}, values.data());
  const std::string bytes(reinterpret_cast<const char*>(values.data()),
                          values.size() * sizeof(float));
  EXPECT_EQ(common::sha256_of(bytes),
            "2f7fb405d147dfca5acf0164fd8d7e3410430ff7ca5f5cf11abfa94b43a1df86");
}

}  // namespace
}  // namespace muster::datastore
