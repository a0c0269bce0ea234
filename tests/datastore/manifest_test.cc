#include "datastore/manifest.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/sha256.h"
#include "tests/common/crc32c_reference.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

Manifest example() {
  Manifest manifest;
  manifest.facts = {"ilids-vid", true, "a \"quoted\" origin, é", {}, {}};
  manifest.geometry = {128, 64, 60, 44, true, FrameEncoding::kJpeg};
  manifest.ingest_identity = std::string(64, 'e');
  manifest.tracklets = 12, manifest.frames = 340, manifest.identities = 6, manifest.cameras = 2;
  manifest.left_out = {{"cam_a/person_0007", "is truncated"}, {"p\xE9rson\n", "no UTF-8"}};
  manifest.facts.test_identities = {{2, 5}, {1, 5}};
  manifest.facts.split_identities = {1, 2, 5, 9};
  manifest.whole_pixel_flow = true;
  manifest.shards.push_back({"shard-00000.h5",
                             1234567890123,
                             "u-1",
                             "s-1",
                             {0xFFFFFFFFu, 7},
                             {{4096, 1ull << 40}, {(1ull << 40) + 8192, 3}},
                             0xFFFFFFFFu,
                             8,
                             200});
  manifest.shards.push_back({"shard-00001.h5", 5, "u-2", "s-2", {}, {}, 1, 4, 140});
  return manifest;
}

TEST(ManifestTest, FactsAndGeometryComeBack) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const Manifest read = read_manifest(directory.path());
  EXPECT_EQ(read.facts.layout, "ilids-vid");
  EXPECT_TRUE(read.facts.synthetic);
  EXPECT_EQ(read.facts.origin, "a \"quoted\" origin, é");
  EXPECT_EQ(read.geometry.height, 128);
  EXPECT_EQ(read.geometry.width, 64);
  EXPECT_EQ(read.geometry.flow_height, 60);
  EXPECT_EQ(read.geometry.flow_width, 44);
  EXPECT_TRUE(read.geometry.has_joints);
  EXPECT_EQ(read.geometry.encoding, FrameEncoding::kJpeg);
  EXPECT_EQ(read.ingest_identity, std::string(64, 'e'));
}

TEST(ManifestTest, RawEncodingComesBack) {
  const TestDirectory directory;
  Manifest manifest = example();
  manifest.geometry.encoding = FrameEncoding::kRaw;
  write_manifest(directory.path(), manifest);
  EXPECT_EQ(read_manifest(directory.path()).geometry.encoding, FrameEncoding::kRaw);
}

TEST(ManifestTest, CountsComeBack) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const Manifest read = read_manifest(directory.path());
  EXPECT_EQ(read.tracklets, 12);
  EXPECT_EQ(read.frames, 340);
  EXPECT_EQ(read.identities, 6);
  EXPECT_EQ(read.cameras, 2);
  ASSERT_EQ(read.left_out.size(), 2u);
  EXPECT_EQ(read.left_out[1].name, "p\xEF\xBF\xBDrson\n");
  EXPECT_EQ(read.left_out[0].name, "cam_a/person_0007");
  EXPECT_EQ(read.left_out[0].reason, "is truncated");
  EXPECT_EQ(read.facts.test_identities, (std::vector<std::vector<int32_t>>{{2, 5}, {1, 5}}));
  EXPECT_EQ(read.facts.split_identities, (std::vector<int32_t>{1, 2, 5, 9}));
  EXPECT_TRUE(read.whole_pixel_flow);
}

TEST(ManifestTest, ShardsComeBackInOrder) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const std::vector<ShardRecord> shards = read_manifest(directory.path()).shards;
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_EQ(shards[0].file, "shard-00000.h5");
  EXPECT_EQ(shards[0].bytes, 1234567890123u);
  EXPECT_EQ(shards[0].uuid, "u-1");
  EXPECT_EQ(shards[0].sha256, "s-1");
  EXPECT_EQ(shards[0].crc32c, (std::vector<uint32_t>{0xFFFFFFFFu, 7}));
  EXPECT_EQ(shards[0].tracklets, 8);
  EXPECT_EQ(shards[0].frames, 200);
  EXPECT_EQ(shards[1].uuid, "u-2");
  EXPECT_TRUE(shards[1].crc32c.empty());
}

TEST(ManifestTest, IsJsonThatAnyoneReads) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const auto value = nlohmann::json::parse(common::read_file(directory.path() / "manifest.json"));
  EXPECT_EQ(value.at("frames"), 340);
  EXPECT_EQ(value.at("shards").at(0).at("crc32c").at(0), 0xFFFFFFFFu);
}

TEST(ManifestTest, EndsInTheSha256OfWhatStandsBefore) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const std::string text = common::read_file(directory.path() / "manifest.json");
  const size_t key = text.rfind(",\n\"checksum\"");
  ASSERT_NE(key, std::string::npos);
  EXPECT_TRUE(contains(text.substr(key), common::sha256_of(text.substr(0, key))));
}

TEST(ManifestTest, TheSameManifestGivesTheSameHash) {
  const TestDirectory first, second;
  write_manifest(first.path(), example());
  write_manifest(second.path(), example());
  EXPECT_EQ(manifest_hash(first.path()), manifest_hash(second.path()));
}

TEST(ManifestTest, AnotherShardGivesAnotherHash) {
  const TestDirectory first, second;
  write_manifest(first.path(), example());
  Manifest changed = example();
  changed.shards[1].sha256 = "s-3";
  write_manifest(second.path(), changed);
  EXPECT_NE(manifest_hash(first.path()), manifest_hash(second.path()));
}

TEST(ManifestTest, EveryFlippedBitIsReportedWithTheFileName) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const fs::path file = directory.path() / "manifest.json";
  const uint64_t bytes = fs::file_size(file);
  for (uint64_t byte = 0; byte < bytes; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      flip_bit(file, byte, bit);
      const std::string text = failure_text<InputError>([&] { read_manifest(directory.path()); });
      ASSERT_TRUE(contains(text, file.string())) << "byte " << byte << " bit " << bit << text;
      flip_bit(file, byte, bit);
    }
  }
  EXPECT_NO_THROW(read_manifest(directory.path()));
}

TEST(ManifestTest, EveryTruncationIsReported) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const fs::path file = directory.path() / "manifest.json";
  for (uint64_t bytes = fs::file_size(file); bytes-- > 0;) {
    fs::resize_file(file, bytes);
    ASSERT_THROW(read_manifest(directory.path()), InputError) << bytes;
  }
}

TEST(ManifestTest, AnAppendedByteIsReported) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  std::ofstream(directory.path() / "manifest.json", std::ios::app) << "\n";
  EXPECT_THROW(read_manifest(directory.path()), InputError);
}

// Writes `body` with a checksum that fits, as another program version would.
void write_with_checksum(const fs::path& store, const std::string& body) {
  std::ofstream(store / "manifest.json")
      << body << ",\n\"checksum\": \"" << common::sha256_of(body) << "\"\n}\n";
}

TEST(ManifestTest, AnotherVersionIsRefusedByItsNumber) {
  const TestDirectory directory;
  write_with_checksum(directory.path(), "{\n \"format_version\": 3");
  const std::string text = failure_text<InputError>([&] { read_manifest(directory.path()); });
  EXPECT_TRUE(contains(text, "manifest.json")) << text;
  EXPECT_TRUE(contains(text, "version 3")) << text;
}

TEST(ManifestTest, AMissingFieldIsAnInputErrorThatNamesTheFile) {
  const TestDirectory directory;
  write_with_checksum(directory.path(), "{\n \"format_version\": 2");
  const std::string text = failure_text<InputError>([&] { read_manifest(directory.path()); });
  EXPECT_TRUE(contains(text, "manifest.json")) << text;
}

TEST(ManifestTest, AMissingStoreIsAnInputErrorThatNamesIt) {
  const TestDirectory directory;
  const std::string text = failure_text<InputError>([&] { read_manifest(directory / "absent"); });
  EXPECT_TRUE(contains(text, (directory / "absent").string())) << text;
}

TEST(ManifestTest, ADirectoryWithoutManifestIsNotAFinishedStore) {
  const TestDirectory directory;
  const std::string text = failure_text<InputError>([&] { read_manifest(directory.path()); });
  EXPECT_TRUE(contains(text, "not a finished store")) << text;
}

TEST(DescribeShardFileTest, GivesSizeHashAndOneChecksumPerMebibyte) {
  const TestDirectory directory;
  std::string bytes;
  for (int i = 0; i < (2 << 20) + 77; ++i) bytes += static_cast<char>(i * 13 % 251);
  std::ofstream(directory / "part.h5", std::ios::binary) << bytes;
  const ShardRecord record = describe_shard_file(directory / "part.h5", {});
  EXPECT_EQ(record.file, "part.h5");
  EXPECT_EQ(record.bytes, bytes.size());
  EXPECT_EQ(record.sha256, common::sha256_of(bytes));
  const size_t mebibyte = 1 << 20;
  EXPECT_EQ(record.crc32c,
            (std::vector<uint32_t>{common::bitwise_crc32c(bytes.data(), mebibyte),
                                   common::bitwise_crc32c(bytes.data() + mebibyte, mebibyte),
                                   common::bitwise_crc32c(bytes.data() + 2 * mebibyte, 77)}));
}

TEST(DescribeShardFileTest, AFileOfWholeBlocksHasNoEmptyLastBlock) {
  const TestDirectory directory;
  std::ofstream(directory / "part.h5") << std::string(1 << 20, 'x');
  EXPECT_EQ(describe_shard_file(directory / "part.h5", {}).crc32c.size(), 1u);
}

TEST(DescribeShardFileTest, AMissingFileIsASystemErrorThatNamesIt) {
  const TestDirectory directory;
  const std::string text =
      failure_text<common::SystemError>([&] { describe_shard_file(directory / "absent.h5", {}); });
  EXPECT_TRUE(contains(text, "absent.h5")) << text;
}

}  // namespace
}  // namespace muster::datastore
