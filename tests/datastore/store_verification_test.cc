#include "datastore/store_verification.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/keyed_random.h"
#include "datastore/sealed_json.h"
#include "tests/datastore/three_shard_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::InputError;
using common::TestDirectory;

using StoreVerificationTest = ThreeShardStoreTest;

TEST_F(StoreVerificationTest, FindsNoFaultInAWholeStore) {
  EXPECT_TRUE(verify_store(path(), VerifyDepth::kCrc32c).empty());
  EXPECT_TRUE(verify_store(path(), VerifyDepth::kSha256).empty());
}

TEST_F(StoreVerificationTest, NamesAMissingShardAndGoesOn) {
  fs::remove(shard(0));
  flip_bit(shard(2), 3000);
  const std::vector<std::string> faults = verify_store(path(), VerifyDepth::kCrc32c);
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_TRUE(contains(faults[0], "shard-00000.h5")) << faults[0];
  EXPECT_TRUE(contains(faults[1], "shard-00002.h5")) << faults[1];
}

TEST_F(StoreVerificationTest, ReportsATruncatedShardWithItsSize) {
  const auto bytes = fs::file_size(shard(1));
  fs::resize_file(shard(1), bytes - 1);
  const std::vector<std::string> faults = verify_store(path(), VerifyDepth::kCrc32c);
  ASSERT_FALSE(faults.empty());
  EXPECT_TRUE(contains(faults.back(), "shard-00001.h5")) << faults.back();
  EXPECT_TRUE(contains(faults.back(), std::to_string(bytes - 1))) << faults.back();
}

TEST_F(StoreVerificationTest, ReportsAnEmptyShard) {
  fs::resize_file(shard(1), 0);
  EXPECT_FALSE(verify_store(path(), VerifyDepth::kCrc32c).empty());
}

TEST_F(StoreVerificationTest, ReportsBytesAfterTheEnd) {
  std::ofstream(shard(1), std::ios::app) << "more";
  EXPECT_FALSE(verify_store(path(), VerifyDepth::kCrc32c).empty());
}

TEST_F(StoreVerificationTest, ReportsBothOfTwoSwappedShards) {
  fs::rename(shard(0), path() / "aside");
  fs::rename(shard(1), shard(0));
  fs::rename(path() / "aside", shard(1));
  const std::vector<std::string> faults = verify_store(path(), VerifyDepth::kCrc32c);
  const auto names = [&](const std::string& shard_name) {
    return std::any_of(faults.begin(), faults.end(),
                       [&](const std::string& fault) { return contains(fault, shard_name); });
  };
  EXPECT_TRUE(names("shard-00000.h5"));
  EXPECT_TRUE(names("shard-00001.h5"));
}

TEST_F(StoreVerificationTest, ThrowsForADamagedManifest) {
  flip_bit(path() / "manifest.json", 40);
  EXPECT_THROW(verify_store(path(), VerifyDepth::kCrc32c), InputError);
}

// Seals the manifest again with another value at a JSON pointer.
void forge(const fs::path& store, const std::string& field, const nlohmann::json& value) {
  auto manifest = nlohmann::json::parse(read_sealed_json(store / "manifest.json"));
  manifest.at(nlohmann::json::json_pointer(field)) = value;
  write_sealed_json(store / "manifest.json", manifest.dump(1));
}

TEST_F(StoreVerificationTest, FindsNoContradictionInAWholeStore) {
  EXPECT_TRUE(contradictions_of_store(path()).empty());
}

TEST_F(StoreVerificationTest, CountsThatMoveFromShardToShardAreAContradiction) {
  forge(path(), "/shards/0/tracklets", 1);
  forge(path(), "/shards/1/tracklets", 3);
  EXPECT_TRUE(verify_store(path(), VerifyDepth::kSha256).empty());
  const std::vector<std::string> found = contradictions_of_store(path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(contains(found.front(), shard(0).string() + ": has 2 tracklets")) << found.front();
  EXPECT_THROW(TrackletStore{path()}, InputError);
}

TEST_F(StoreVerificationTest, FramesThatMoveFromShardToShardAreAContradiction) {
  forge(path(), "/shards/0/frames", 7);
  forge(path(), "/shards/1/frames", 9);
  const std::vector<std::string> found = contradictions_of_store(path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(contains(found.front(), "8 frames, manifest.json says 2 and 7")) << found.front();
}

TEST_F(StoreVerificationTest, PeopleAndCamerasThatAreNotInTheShardsAreAContradiction) {
  for (const auto& [field, is] : {std::pair<const char*, int>("identities", 3), {"cameras", 2}}) {
    forge(path(), std::string("/") + field, 4);
    const std::vector<std::string> found = contradictions_of_store(path());
    ASSERT_EQ(found.size(), 1u);
    EXPECT_TRUE(contains(found.front(),
                         std::string(field) + " is 4, but the shards have " + std::to_string(is)))
        << found.front();
    forge(path(), std::string("/") + field, is);
  }
  EXPECT_TRUE(contradictions_of_store(path()).empty());
}

TEST_F(StoreVerificationTest, SplitsOfPeopleWhoAreNotThereAreAContradiction) {
  forge(path(), "/split_identities", {1, 2, 3, 9});
  const std::vector<std::string> found = contradictions_of_store(path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(contains(found.front(), "split_identities names person 9")) << found.front();
  // Unless an ingest left something out.
  forge(path(), "/left_out", {{{"name", "cam_a/person_0009"}, {"reason", "is truncated"}}});
  EXPECT_TRUE(contradictions_of_store(path()).empty());
}

// Three shards of several MiB each, so that threads share shards: noise instead of HDF5, with a
// manifest that describes it.
class LargeStoreTest : public testing::Test {
 protected:
  LargeStoreTest() {
    Manifest manifest;
    for (int number = 0; number < 3; ++number) {
      common::KeyedRandom random(static_cast<uint64_t>(number));
      std::string bytes((50 << 20) + 12345 * number, '\0');
      for (size_t i = 0; i < bytes.size(); i += 4096) bytes[i] = static_cast<char>(random.next());
      std::ofstream(shard(number), std::ios::binary) << bytes;
      manifest.shards.push_back(describe_shard_file(shard(number), {}));
      manifest.shards.back().tracklets = manifest.shards.back().frames = 1;
    }
    manifest.geometry.height = manifest.geometry.width = 1;
    manifest.tracklets = manifest.frames = 3;
    manifest.identities = manifest.cameras = 1;
    write_manifest(path(), manifest);
  }
  fs::path path() const { return directory_.path(); }
  fs::path shard(int number) const { return path() / shard_file_name(static_cast<size_t>(number)); }
  std::vector<std::string> verify(int threads, VerifyDepth depth = VerifyDepth::kCrc32c) const {
    common::SilentProgress progress;
    return verify_store(path(), depth, progress, threads);
  }

  TestDirectory directory_;
};

TEST_F(LargeStoreTest, EveryThreadCountReportsEveryFaultInTheSameOrder) {
  constexpr uint64_t kBlock = kChecksumBlockBytes;
  std::vector<std::string> expected;
  for (int number = 0; number < 3; ++number) {
    // First and last byte of blocks on both sides of where the work is divided.
    for (const uint64_t block : {0, 1, 31, 32, 49}) {
      flip_bit(shard(number), block * kBlock + (block % 2 == 0 ? 0 : kBlock - 1), number);
      expected.push_back(shard(number).string() + ": bytes " + std::to_string(block * kBlock) +
                         " to " + std::to_string((block + 1) * kBlock - 1) +
                         " differ from what was written");
    }
  }
  fs::resize_file(shard(1), (50 << 20) + 12344);
  expected.insert(expected.begin() + 10,
                  {shard(1).string() + ": bytes 52428800 to 52441143 differ from what was written",
                   shard(1).string() + ": has 52441144 bytes instead of 52441145"});
  for (const int threads : {1, 2, 3, 8}) EXPECT_EQ(verify(threads), expected) << threads;
}

TEST_F(LargeStoreTest, Sha256IsReportedBesideTheBlock) {
  flip_bit(shard(2), 40 << 20);
  for (const int threads : {1, 4}) {
    const std::vector<std::string> faults = verify(threads, VerifyDepth::kSha256);
    ASSERT_EQ(faults.size(), 2u);
    EXPECT_TRUE(contains(faults[0], "bytes 41943040 to 42991615")) << faults[0];
    EXPECT_TRUE(contains(faults[1], "SHA-256")) << faults[1];
  }
}

TEST_F(LargeStoreTest, TellsHowFarItIs) {
  class Counter : public common::SilentProgress {
   public:
    void begin(const std::string&, const std::string&, int64_t items) override { total = items; }
    void advance(int64_t items) override {
      EXPECT_GT(items, done);
      done = items;
    }
    int64_t total = 0, done = 0;
  } counter;
  verify_store(path(), VerifyDepth::kCrc32c, counter, 2);
  EXPECT_EQ(counter.total, 50 + 51 + 51);
  EXPECT_EQ(counter.done, counter.total);
}

TEST_F(LargeStoreTest, AShardThatCannotBeReadIsAFaultAndTheOthersAreStillChecked) {
  fs::remove(shard(0));
  fs::create_directory(shard(0));
  flip_bit(shard(2), 7);
  const std::vector<std::string> faults = verify(2);
  ASSERT_GE(faults.size(), 2u);
  EXPECT_TRUE(contains(faults.front(), "shard-00000.h5")) << faults.front();
  EXPECT_TRUE(contains(faults.front(), "cannot be read")) << faults.front();
  EXPECT_TRUE(contains(faults.back(), "shard-00002.h5: bytes 0 to")) << faults.back();
}

class EveryByteTest : public testing::TestWithParam<FrameEncoding> {};

TEST_P(EveryByteTest, AFlippedBitAnywhereInAShardIsReported) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, 2);
  dataset.add(1, 2, 1);
  dataset.give_joints();
  build_store(dataset, directory / "store", small_options(GetParam()));
  const fs::path shard = directory / "store" / "shard-00000.h5";
  const uint64_t bytes = fs::file_size(shard);
  ASSERT_LT(bytes, 200000u);
  for (uint64_t byte = 0; byte < bytes; ++byte) {
    const int bit = static_cast<int>(byte % 8);
    flip_bit(shard, byte, bit);
    const std::vector<std::string> faults = verify_store(directory / "store", VerifyDepth::kCrc32c);
    ASSERT_EQ(faults.size(), 1u) << "byte " << byte << " of " << bytes;
    ASSERT_TRUE(contains(faults[0], "shard-00000.h5")) << faults[0];
    flip_bit(shard, byte, bit);
  }
  EXPECT_TRUE(verify_store(directory / "store", VerifyDepth::kSha256).empty());
}

INSTANTIATE_TEST_SUITE_P(Encodings, EveryByteTest,
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg), encoding_name);

}  // namespace
}  // namespace muster::datastore
