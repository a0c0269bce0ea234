// A store of three shards: 6 tracklets of 4 frames with joints, two to a shard.
#pragma once

#include "tests/datastore/small_store.h"

namespace muster::datastore {

inline IngestOptions three_shards(FrameEncoding encoding = FrameEncoding::kRaw) {
  IngestOptions options = small_options(encoding);
  options.shard_bytes = 8 * (3 * 24 * 16 + 2 * 12 * 8);
  return options;
}

class ThreeShardStoreTest : public testing::Test {
 protected:
  ThreeShardStoreTest() : dataset_(two_camera_dataset(3, 4)) {
    dataset_.give_joints();
    build_store(dataset_, path(), three_shards());
  }
  std::filesystem::path path() const { return directory_ / "store"; }
  std::filesystem::path shard(int number) const {
    return path() / ("shard-0000" + std::to_string(number) + ".h5");
  }

  common::TestDirectory directory_;
  FakeDataset dataset_;
};

}  // namespace muster::datastore
