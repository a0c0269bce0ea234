#include "datastore/manifest.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/sha256.h"
#include "datastore/sealed_json.h"
#include "tests/common/crc32c_reference.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

const std::string kSha256 = std::string(32, '0') + std::string(32, 'f');

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
                             (1 << 20) + 1,
                             "u-1",
                             kSha256,
                             {0xFFFFFFFFu, 7},
                             {{4096, 1 << 19}, {4096 + (1 << 19), 3}},
                             0xFFFFFFFFu,
                             8,
                             200});
  manifest.shards.push_back({"shard-00001.h5", 5, "u-2", kSha256, {9}, {}, 1, 4, 140});
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
  EXPECT_EQ(shards[0].bytes, (1u << 20) + 1);
  EXPECT_EQ(shards[0].uuid, "u-1");
  EXPECT_EQ(shards[0].sha256, kSha256);
  ASSERT_EQ(shards[0].payloads.size(), 2u);
  EXPECT_EQ(shards[0].payloads[1].offset, 4096u + (1 << 19));
  EXPECT_EQ(shards[0].payloads[1].bytes, 3u);
  EXPECT_EQ(shards[0].crc32c, (std::vector<uint32_t>{0xFFFFFFFFu, 7}));
  EXPECT_EQ(shards[0].tracklets, 8);
  EXPECT_EQ(shards[0].frames, 200);
  EXPECT_EQ(shards[1].uuid, "u-2");
  EXPECT_EQ(shards[1].crc32c, std::vector<uint32_t>{9});
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
  changed.shards[1].sha256[0] = '3';
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

// A field, the value that somebody puts there before sealing the manifest again, and what is said.
struct Forgery {
  const char* field;  // as a JSON pointer
  const char* value;  // as JSON
  const char* told;
};

void PrintTo(const Forgery& forgery, std::ostream* out) {
  *out << forgery.field << " = " << forgery.value;
}

class ForgeryTest : public testing::TestWithParam<Forgery> {};

TEST_P(ForgeryTest, IsRefusedInOneLineThatNamesFileAndField) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const fs::path file = directory.path() / "manifest.json";
  auto value = nlohmann::json::parse(read_sealed_json(file));
  write_sealed_json(file, value.dump(1));
  ASSERT_NO_THROW(read_manifest(directory.path()));
  value[nlohmann::json::json_pointer(GetParam().field)] = nlohmann::json::parse(GetParam().value);
  write_sealed_json(file, value.dump(1));
  const std::string text = failure_text<InputError>([&] { read_manifest(directory.path()); });
  EXPECT_EQ(text.rfind(file.string() + ": " + GetParam().told, 0), 0u) << text;
  EXPECT_FALSE(contains(text, "\n")) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Counts, ForgeryTest,
    testing::Values(Forgery{"/tracklets", "13", "tracklets is 13, but the shards have 12"},
                    Forgery{"/frames", "339", "frames is 339, but the shards have 340"},
                    Forgery{"/frames", "340.0", "frames is 340.0, not a whole"},
                    Forgery{"/frames", "18446744073709551615", "frames is 1844"},
                    Forgery{"/tracklets", "true", "tracklets is true"},
                    Forgery{"/identities", "0", "identities is 0"},
                    Forgery{"/identities", "13", "identities is 13"},
                    Forgery{"/cameras", "-1", "cameras is -1"},
                    Forgery{"/cameras", "13", "cameras is 13"},
                    Forgery{"/shards/0/tracklets", "0", "shards[0].tracklets is 0"},
                    Forgery{"/shards/1/tracklets", "-4", "shards[1].tracklets is -4"},
                    Forgery{"/shards/1/frames", "3", "shards[1].frames is 3"},
                    Forgery{"/shards/1/frames", "141", "frames is 340, but the shards have 341"},
                    Forgery{"/shards/1/frames", "9223372036854775807", "shards[1].frames is 9"},
                    Forgery{"/shards", "[]", "tracklets is 12, but the shards have 0"}));

INSTANTIATE_TEST_SUITE_P(
    Shards, ForgeryTest,
    testing::Values(
        Forgery{"/shards/1/file", "\"../shard-00001.h5\"",
                "shards[1].file is \"../shard-00001.h5\""},
        Forgery{"/shards/1/file", "\"/etc/passwd\"", "shards[1].file is"},
        Forgery{"/shards/1/file", "\"..\"", "shards[1].file is"},
        Forgery{"/shards/1/file", "\"\"", "shards[1].file is"},
        Forgery{"/shards/1/file", "\"a\\nb\"", "shards[1].file is \"a\\nb\""},
        Forgery{"/shards/1/file", "\"shard-00000.h5\"", "shards[1].file is \"shard-00000.h5\""},
        Forgery{"/shards/0/bytes", "-5", "shards[0].bytes is -5"},
        Forgery{"/shards/0/bytes", "0", "shards[0].bytes is 0"},
        Forgery{"/shards/1/bytes", "1048577", "shards[1].bytes is 1048577, but crc32c has 1"},
        Forgery{"/shards/0/crc32c", "[1, 4294967296]", "shards[0].crc32c[1] is 4294967296"},
        Forgery{"/shards/0/crc32c", "[1]", "shards[0].bytes is"},
        Forgery{"/shards/0/outside_crc32c", "-1", "shards[0].outside_crc32c is -1"},
        Forgery{"/shards/0/sha256", "\"s-1\"", "shards[0].sha256 is"},
        Forgery{"/shards/0/uuid", "null", "shards[0].uuid is null"},
        Forgery{"/shards/0", "7", "shards[0] is 7"}));

// The first shard has 1048577 bytes.
INSTANTIATE_TEST_SUITE_P(
    Payloads, ForgeryTest,
    testing::Values(
        Forgery{"/shards/0/payloads", "[[-1, 5]]", "shards[0].payloads[0][0] is -1"},
        Forgery{"/shards/0/payloads", "[[8, -5]]", "shards[0].payloads[0][1] is -5"},
        Forgery{"/shards/0/payloads", "[[8, 0]]", "shards[0].payloads[0][1] is 0"},
        Forgery{"/shards/0/payloads", "[[8, 9], [16, 4]]", "shards[0].payloads[1][0] is 16"},
        Forgery{"/shards/0/payloads", "[[80, 9], [16, 4]]", "shards[0].payloads[1][0] is 16"},
        Forgery{"/shards/0/payloads", "[[8, 1048570]]", "shards[0].payloads[0][1] is 1048570"},
        Forgery{"/shards/0/payloads", "[[1048578, 1]]", "shards[0].payloads[0][0] is 1048578"},
        Forgery{"/shards/0/payloads", "[[9223372036854775807, 9223372036854775807]]",
                "shards[0].payloads[0][0] is 9"},
        Forgery{"/shards/0/payloads", "[[1, 2, 3]]", "shards[0].payloads[0] is [1,2,3]"},
        Forgery{"/shards/0/payloads", "[4]", "shards[0].payloads[0] is 4"}));

INSTANTIATE_TEST_SUITE_P(
    Facts, ForgeryTest,
    testing::Values(
        Forgery{"/frame_height", "0", "frame_height is 0"},
        Forgery{"/frame_width", "65536", "frame_width is 65536"},
        Forgery{"/frame_width", "4294967360", "frame_width is 4294967360"},
        Forgery{"/flow_height", "-60", "flow_height is -60"},
        Forgery{"/flow_width", "0", "flow_width is 0"},
        Forgery{"/flow_height", "0", "flow_width is 44"},
        Forgery{"/encoding", "\"png\"", "encoding is \"png\", not jpeg or raw"},
        Forgery{"/joints", "1", "joints is 1"}, Forgery{"/synthetic", "\"no\"", "synthetic is"},
        Forgery{"/layout", "3", "layout is 3"},
        Forgery{"/left_out", "[\"a\"]", "left_out[0] is \"a\""},
        Forgery{"/test_identities", "[[2, 5], [1, 6]]", "test_identities[1] is [1,6], which names"},
        Forgery{"/test_identities", "[[5, 2]]", "test_identities[0][1] is 2"},
        Forgery{"/test_identities", "[[2, 2]]", "test_identities[0][1] is 2"},
        Forgery{"/split_identities", "[1, 2, 2, 5, 9]", "split_identities[2] is 2"},
        Forgery{"/split_identities", "[1, 2, 5, 4294967305]", "split_identities[3] is 4294967305"},
        Forgery{"/split_identities", "{}", "split_identities is {}"}));

TEST(ManifestTest, BottomlessListsAreRefusedLikeOthers) {
  const TestDirectory directory;
  write_manifest(directory.path(), example());
  const fs::path file = directory.path() / "manifest.json";
  const std::string whole = read_sealed_json(file), deep(500000, '['), back(500000, ']');
  for (const char* field : {"format_version", "layout", "shards", "crc32c", "test_identities"}) {
    std::string body = whole;
    const size_t key = body.find(std::string("\"") + field + "\": ");
    ASSERT_NE(key, std::string::npos);
    body.insert(key, std::string("\"") + field + "\": " + deep + back + ",\n\"other-");
    body.replace(body.find("\"other-") + 7, 1, "");
    write_sealed_json(file, body);
    const std::string text = failure_text<InputError>([&] { read_manifest(directory.path()); });
    EXPECT_TRUE(contains(text, field)) << text;
  }
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
