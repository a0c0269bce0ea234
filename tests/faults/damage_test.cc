// Damage to a store's files: every flipped bit and every cut is found or changes nothing that is
// read, and nothing crashes. The short form takes a sample, MUSTER_LONG=yes the whole.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/tracklet_store.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;

bool is_long() {
  const char* value = std::getenv("MUSTER_LONG");
  return value != nullptr && std::string(value) == "yes";
}

// Everything a training can get out of a store, as one string.
std::string content_of(const fs::path& directory) {
  const TrackletStore store(directory);
  std::string content;
  const auto add = [&](const auto& values) {
    content.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  for (const StoredTracklet& tracklet : store.tracklets()) {
    add(std::vector<int64_t>{tracklet.identity, tracklet.camera, tracklet.sequence, tracklet.length,
                             tracklet.role});
    for (int64_t frame = 0; frame < tracklet.length; ++frame) {
      add(store.read_image(tracklet, frame).rgb);
      add(store.read_flow(tracklet, frame));
      for (const Joint& joint : store.read_joints(tracklet, frame)) {
        add(std::vector<float>{joint.x, joint.y, joint.confidence});
      }
    }
  }
  return content;
}

// "" when verify sees nothing, else what it says.
std::string finding(const fs::path& store) {
  try {
    const std::vector<std::string> faults = verify_store(store, VerifyDepth::kCrc32c);
    return faults.empty() ? "" : faults.front();
  } catch (const common::Error& failure) {
    return failure.what();
  }
}

class DamageTest : public testing::TestWithParam<FrameEncoding> {
 protected:
  DamageTest() {
    FakeDataset dataset = two_camera_dataset(3, 3);
    dataset.give_joints();
    build_store(dataset, store(), small_options(GetParam()));
    whole_ = content_of(store());
    record_ = read_manifest(store()).shards.at(0);
  }
  fs::path store() const { return directory_ / "store"; }
  fs::path shard() const { return store() / "shard-00000.h5"; }
  fs::path manifest() const { return store() / "manifest.json"; }
  bool is_payload(uint64_t byte) const {
    for (const ByteRange& payload : record_.payloads) {
      if (byte >= payload.offset && byte - payload.offset < payload.bytes) return true;
    }
    return false;
  }
  // Reading gives what was written or an error of ours; anything else ends the test program.
  void expect_error_or_the_same(const std::string& what) const {
    try {
      EXPECT_TRUE(content_of(store()) == whole_) << what << " was read as something else";
    } catch (const common::Error&) {
    }
  }
  void expect_flip_is_found(const fs::path& file, uint64_t byte, int bit) const {
    const std::string what =
        file.filename().string() + " byte " + std::to_string(byte) + " bit " + std::to_string(bit);
    flip_bit(file, byte, bit);
    EXPECT_NE(finding(store()), "") << what;
    expect_error_or_the_same(what);
    flip_bit(file, byte, bit);
  }

  common::TestDirectory directory_;
  std::string whole_;
  ShardRecord record_;
};

TEST_P(DamageTest, EachOfTenThousandFlippedBitsIsFound) {
  const int flips = is_long() ? 100000 : 10000;
  common::KeyedRandom random(GetParam() == FrameEncoding::kRaw ? 11 : 12);
  const uint64_t shard_bytes = fs::file_size(shard()), manifest_bytes = fs::file_size(manifest());
  int payload_flips = 0, index_flips = 0;
  for (int flip = 0; flip < flips; ++flip) {
    const int bit = static_cast<int>(random.below(8));
    if (flip % 3 == 0) {
      expect_flip_is_found(manifest(), random.below(manifest_bytes), bit);
      continue;
    }
    // A third each to payload and index, though the index is small.
    uint64_t byte = random.below(shard_bytes);
    while (is_payload(byte) != (flip % 3 == 1)) byte = random.below(shard_bytes);
    ++(flip % 3 == 1 ? payload_flips : index_flips);
    expect_flip_is_found(shard(), byte, bit);
  }
  EXPECT_GE(payload_flips, flips / 4);
  EXPECT_GE(index_flips, flips / 4);
  EXPECT_EQ(finding(store()), "");
  EXPECT_TRUE(content_of(store()) == whole_);
}

TEST_P(DamageTest, AShardCutAtAnyLengthIsFound) {
  const std::string bytes = common::read_file(shard());
  const size_t stride = is_long() ? 1 : 31;
  for (size_t length = 0; length < bytes.size(); length += stride) {
    fs::resize_file(shard(), length);
    EXPECT_NE(finding(store()), "") << length;
    EXPECT_THROW(content_of(store()), common::Error) << length;
    std::ofstream(shard(), std::ios::binary) << bytes;
  }
}

TEST_P(DamageTest, AManifestCutAtAnyLengthIsFound) {
  const std::string bytes = common::read_file(manifest());
  for (size_t length = 0; length < bytes.size(); ++length) {
    std::ofstream(manifest(), std::ios::binary) << bytes.substr(0, length);
    EXPECT_NE(finding(store()), "") << length;
    EXPECT_THROW(content_of(store()), common::Error) << length;
  }
}

TEST_P(DamageTest, ZeroedPagesAreFound) {
  const std::string bytes = common::read_file(shard());
  for (size_t page = 0; page + 512 <= bytes.size(); page += is_long() ? 512 : 4096) {
    std::string holed = bytes;
    std::fill_n(holed.begin() + static_cast<long>(page), 512, '\0');
    if (holed == bytes) continue;
    std::ofstream(shard(), std::ios::binary) << holed;
    EXPECT_NE(finding(store()), "") << page;
    expect_error_or_the_same("page at " + std::to_string(page));
  }
  std::ofstream(shard(), std::ios::binary) << bytes;
}

INSTANTIATE_TEST_SUITE_P(Encodings, DamageTest,
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg), encoding_name);

}  // namespace
}  // namespace muster::datastore
