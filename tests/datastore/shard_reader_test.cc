// What a reader of shards refuses.
#include <gtest/gtest.h>

#include "tests/datastore/shard_example.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

// Opens `shard` and returns what the refusal says.
std::string refusal(const fs::path& shard) {
  const std::string text = failure_text<InputError>([&] { ShardReader reader(shard); });
  EXPECT_TRUE(contains(text, shard.string())) << text;
  return text;
}

TEST(ShardReaderTest, RefusesAMissingFile) {
  const TestDirectory directory;
  EXPECT_TRUE(contains(refusal(directory / "absent.h5"), "no such file"));
}

TEST(ShardReaderTest, RefusesAFileThatIsNotHdf5) {
  const TestDirectory directory;
  std::ofstream(directory / "s.h5") << "some text, long enough to hold a signature";
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesATruncatedFile) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  fs::resize_file(directory / "s.h5", fs::file_size(directory / "s.h5") - 1);
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesAFileWithoutTheMarkOfCompletion) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  H5Adelete(RawFile(directory / "s.h5").get(), "complete");
  EXPECT_TRUE(contains(refusal(directory / "s.h5"), "complete"));
}

TEST(ShardReaderTest, RefusesAnUnfinishedFile) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  RawFile(directory / "s.h5").set_number("complete", 0);
  EXPECT_TRUE(contains(refusal(directory / "s.h5"), "never finished"));
}

TEST(ShardReaderTest, RefusesAnotherMajorVersion) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  RawFile(directory / "s.h5").set_text("format_version", "2.0");
  EXPECT_TRUE(contains(refusal(directory / "s.h5"), "2.0"));
}

TEST(ShardReaderTest, RefusesAMajorVersionThatOnlyBeginsLikeOurs) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  RawFile(directory / "s.h5").set_text("format_version", "10.0");
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, ReadsALaterMinorVersion) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  RawFile(directory / "s.h5").set_text("format_version", "1.7");
  EXPECT_EQ(ShardReader(directory / "s.h5").frame_count(), 5);
}

TEST(ShardReaderTest, RefusesAFileWithoutAColumn) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  H5Ldelete(RawFile(directory / "s.h5").get(), "/tracklets/camera", H5P_DEFAULT);
  EXPECT_TRUE(contains(refusal(directory / "s.h5"), "/tracklets/camera"));
}

TEST(ShardReaderTest, RefusesATrackletBeyondTheFrames) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const uint64_t start[] = {0, 4};
  RawFile(directory / "s.h5").replace(kTrackletStart, H5T_STD_U64LE, {2}, start);
  EXPECT_TRUE(contains(refusal(directory / "s.h5"), "tracklet 1"));
}

TEST(ShardReaderTest, RefusesATrackletWhoseStartOverflows) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const uint64_t start[] = {0, ~uint64_t{0}};
  RawFile(directory / "s.h5").replace(kTrackletStart, H5T_STD_U64LE, {2}, start);
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesDecreasingJpegOffsets) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", FrameEncoding::kJpeg);
  const uint64_t offset[] = {0, 100, 50, 150, 200, 250};
  RawFile(directory / "s.h5").replace(kFramesJpegOffset, H5T_STD_U64LE, {6}, offset);
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesJpegOffsetsBeyondTheData) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", FrameEncoding::kJpeg);
  const uint64_t offset[] = {0, 100, 150, 200, 250, 1 << 30};
  RawFile(directory / "s.h5").replace(kFramesJpegOffset, H5T_STD_U64LE, {6}, offset);
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesMoreChecksumsThanFrames) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const uint32_t crc[6] = {};
  RawFile(directory / "s.h5").replace(kFramesCrc, H5T_STD_U32LE, {6}, crc);
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesFlowWithAnotherNumberOfComponents) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const std::vector<int8_t> flow(5 * kFlowHeight * kFlowWidth * 3);
  RawFile(directory / "s.h5")
      .replace(kFramesFlow, H5T_STD_I8LE, {5, kFlowHeight, kFlowWidth, 3}, flow.data());
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, RefusesAnotherNumberOfJoints) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const std::vector<float> joints(5 * 20 * 3);
  RawFile(directory / "s.h5").replace(kFramesJoints, H5T_IEEE_F32LE, {5, 20, 3}, joints.data());
  refusal(directory / "s.h5");
}

TEST(ShardReaderTest, AFrameBeyondTheEndBreaksARequirement) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  EXPECT_THROW(ShardReader(directory / "s.h5").read_image(5), common::RequirementError);
}

TEST(ShardReaderTest, FramesBeyondTheEndBreakARequirementBeforeAnythingIsRead) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const ShardReader reader(directory / "s.h5");
  std::vector<uint8_t> rgb(size_t{2} * kHeight * kWidth * 3, 9);
  EXPECT_THROW(reader.read_images_into(4, {0, 1}, rgb.data()), common::RequirementError);
  EXPECT_THROW(reader.read_images_into(0, {-1}, rgb.data()), common::RequirementError);
  EXPECT_EQ(rgb, std::vector<uint8_t>(rgb.size(), 9));
}

}  // namespace
}  // namespace muster::datastore
