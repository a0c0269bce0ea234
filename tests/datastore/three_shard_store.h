// A store of three shards: 6 tracklets of 4 frames with joints, two to a shard.
#pragma once

#include "tests/datastore/small_store.h"

namespace muster::datastore {

// 8 frames to a shard: two of the tracklets above.
inline IngestOptions eight_frames_a_shard(FrameEncoding encoding = FrameEncoding::kRaw) {
  IngestOptions options = small_options(encoding);
  const uint64_t raw = 3 * 24 * 16, flow = 2 * 12 * 8;
  options.shard_bytes = 8 * ((encoding == FrameEncoding::kRaw ? raw : raw / 5) + flow);
  return options;
}

class ThreeShardStoreTest : public testing::Test {
 protected:
  ThreeShardStoreTest() : dataset_(two_camera_dataset(3, 4)) {
    dataset_.give_joints();
    build_store(dataset_, path(), eight_frames_a_shard());
  }
  std::filesystem::path path() const { return directory_ / "store"; }
  std::filesystem::path shard(int number) const {
    return path() / ("shard-0000" + std::to_string(number) + ".h5");
  }

  common::TestDirectory directory_;
  FakeDataset dataset_;
};

}  // namespace muster::datastore
