#include "datastore/shard_integrity.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/error.h"
#include "datastore/manifest.h"
#include "datastore/tracklet_store.h"
#include "tests/common/crc32c_reference.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::TestDirectory;

TEST(Crc32cOutsideTest, CoversEverythingButThePayloads) {
  const TestDirectory directory;
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(i * 7 % 251);
  std::ofstream(directory / "file", std::ios::binary) << bytes;
  const std::string rest = bytes.substr(0, 100) + bytes.substr(400, 600) + bytes.substr(1500);
  EXPECT_EQ(crc32c_outside(directory / "file", {{100, 300}, {1000, 500}}),
            common::bitwise_crc32c(rest.data(), rest.size()));
}

TEST(Crc32cOutsideTest, APayloadBeyondTheEndIsASystemError) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "0123456789";
  EXPECT_THROW(crc32c_outside(directory / "file", {{8, 3}}), common::SystemError);
  EXPECT_THROW(crc32c_outside(directory / "file", {{~uint64_t{0}, 3}}), common::SystemError);
}

// A store of raw frames, flow and joints in one shard.
class ShardIntegrityTest : public testing::Test {
 protected:
  ShardIntegrityTest() {
    FakeDataset dataset = two_camera_dataset(3, 4);
    dataset.give_joints();
    build_store(dataset, store());
  }
  fs::path store() const { return directory_ / "store"; }
  fs::path shard() const { return store() / "shard-00000.h5"; }
  ShardRecord record() const { return read_manifest(store()).shards.at(0); }
  TestDirectory directory_;
};

TEST_F(ShardIntegrityTest, PayloadsAreExactlyFramesAndFlow) {
  uint64_t bytes = 0;
  for (const ByteRange& payload : record().payloads) bytes += payload.bytes;
  EXPECT_EQ(record().payloads.size(), 2u);
  EXPECT_EQ(bytes, uint64_t{24} * (24 * 16 * 3 + 12 * 8 * 2));
}

TEST_F(ShardIntegrityTest, AnUntouchedShardIsAsWritten) {
  EXPECT_TRUE(is_as_written(shard(), record()));
}

TEST_F(ShardIntegrityTest, AFlippedBitInEveryByteOutsideThePayloadsIsFound) {
  const ShardRecord written = record();
  for (uint64_t byte = 0; byte < written.bytes; ++byte) {
    bool inside = false;
    for (const ByteRange& payload : written.payloads) {
      inside |= byte >= payload.offset && byte < payload.offset + payload.bytes;
    }
    if (inside) continue;
    flip_bit(shard(), byte, static_cast<int>(byte % 8));
    EXPECT_THROW(is_as_written(shard(), written), common::SystemError) << byte;
    flip_bit(shard(), byte, static_cast<int>(byte % 8));
  }
}

TEST_F(ShardIntegrityTest, AFlippedJointIsFoundWhenTheStoreIsOpened) {
  const Joint joint =
      TrackletStore(store()).read_joints(TrackletStore(store()).tracklets()[2], 1)[3];
  const std::string content = common::read_file(shard());
  const size_t place = content.find(std::string(reinterpret_cast<const char*>(&joint), 12));
  ASSERT_NE(place, std::string::npos);
  flip_bit(shard(), place + 1);
  const std::string text =
      failure_text<common::SystemError>([&] { TrackletStore opened(store()); });
  EXPECT_TRUE(contains(text, "shard-00000.h5")) << text;
}

TEST_F(ShardIntegrityTest, AFlippedFrameDoesNotKeepTheOthersFromBeingRead) {
  flip_bit(shard(), place_of_frame(shard(), 5));
  const TrackletStore opened(store());
  EXPECT_THROW(opened.read_image(opened.tracklets()[1], 1), common::SystemError);
  EXPECT_NO_THROW(opened.read_image(opened.tracklets()[1], 2));
}

TEST_F(ShardIntegrityTest, AnotherSizeIsNotAsWritten) {
  std::ofstream(shard(), std::ios::app) << "more";
  EXPECT_FALSE(is_as_written(shard(), record()));
}

TEST_F(ShardIntegrityTest, AMissingShardIsNamed) {
  const ShardRecord written = record();
  fs::remove(shard());
  const std::string text =
      failure_text<common::InputError>([&] { is_as_written(shard(), written); });
  EXPECT_TRUE(contains(text, "shard-00000.h5")) << text;
}

}  // namespace
}  // namespace muster::datastore
