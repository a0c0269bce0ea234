// Of shard_writer.cc, shard_reader.cc and hdf5_handle.cc: what one writes the other reads.
#include <gtest/gtest.h>

#include "tests/datastore/shard_example.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::TestDirectory;

class ShardEncodingTest : public testing::TestWithParam<FrameEncoding> {};

TEST_P(ShardEncodingTest, EveryFrameComesBackByteForByte) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  const ShardReader reader(directory / "s.h5");
  ASSERT_EQ(reader.frame_count(), 5);
  const EncodedTracklet first = example_tracklet(1, 3, GetParam()),
                        second = example_tracklet(2, 2, GetParam());
  for (int64_t frame = 0; frame < 3; ++frame) {
    EXPECT_EQ(reader.read_frame_bytes(frame), first.frames[static_cast<size_t>(frame)]);
  }
  for (int64_t frame = 3; frame < 5; ++frame) {
    EXPECT_EQ(reader.read_frame_bytes(frame), second.frames[static_cast<size_t>(frame - 3)]);
  }
}

TEST_P(ShardEncodingTest, FlowComesBack) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  EXPECT_EQ(ShardReader(directory / "s.h5").read_flow(4),
            example_tracklet(2, 2, GetParam()).flow[1]);
}

TEST_P(ShardEncodingTest, JointsComeBack) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  const std::vector<Joint> joints = ShardReader(directory / "s.h5").read_joints(2);
  ASSERT_EQ(joints.size(), size_t{kJointCount});
  EXPECT_EQ(joints[3].x, 3.5f);
  EXPECT_EQ(joints[3].y, 0.5f);
  EXPECT_EQ(joints[3].confidence, 0.125f);
}

TEST_P(ShardEncodingTest, ColumnsComeBack) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  const ShardReader reader(directory / "s.h5");
  EXPECT_EQ(reader.columns().start, (std::vector<uint64_t>{0, 3}));
  EXPECT_EQ(reader.columns().length, (std::vector<uint32_t>{3, 2}));
  EXPECT_EQ(reader.columns().identity, (std::vector<int32_t>{101, 102}));
  EXPECT_EQ(reader.columns().camera, (std::vector<int16_t>{1, 2}));
  EXPECT_EQ(reader.columns().sequence, (std::vector<int32_t>{7, 14}));
}

TEST_P(ShardEncodingTest, GeometryComesBack) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  const FrameGeometry read = ShardReader(directory / "s.h5").geometry();
  EXPECT_EQ(read.height, kHeight);
  EXPECT_EQ(read.width, kWidth);
  EXPECT_EQ(read.flow_height, kFlowHeight);
  EXPECT_EQ(read.flow_width, kFlowWidth);
  EXPECT_TRUE(read.has_joints);
  EXPECT_EQ(read.encoding, GetParam());
}

TEST_P(ShardEncodingTest, TheSameContentGivesTheSameBytes) {
  const TestDirectory directory;
  write_shard(directory / "a.h5", GetParam());
  write_shard(directory / "b.h5", GetParam());
  EXPECT_EQ(common::read_file(directory / "a.h5"), common::read_file(directory / "b.h5"));
}

TEST_P(ShardEncodingTest, ACompressedCopyReadsTheSame) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  fs::copy_file(directory / "s.h5", directory / "packed.h5");
  RawFile(directory / "packed.h5").compress_all(GetParam());
  const ShardReader original(directory / "s.h5"), packed(directory / "packed.h5");
  for (int64_t frame = 0; frame < 5; ++frame) {
    EXPECT_EQ(packed.read_frame_bytes(frame), original.read_frame_bytes(frame));
    EXPECT_EQ(packed.read_flow(frame), original.read_flow(frame));
    EXPECT_EQ(packed.read_joints(frame)[5].y, original.read_joints(frame)[5].y);
  }
}

TEST(ShardReaderTest, RawPicturesAreExactlyThePixels) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const Image image = ShardReader(directory / "s.h5").read_image(3);
  EXPECT_EQ(image.height, kHeight);
  EXPECT_EQ(image.width, kWidth);
  EXPECT_EQ(image.rgb, waves(kHeight, kWidth, 2, 0).rgb);
}

TEST_P(ShardEncodingTest, ManyFramesComeIntoOnePlaceInTheAskedOrder) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", GetParam());
  write_shard(directory / "packed.h5", GetParam());
  RawFile(directory / "packed.h5").compress_all(GetParam());
  const std::vector<int32_t> frames = {3, 0, 1, 2, 2, 1, 3};  // of the four rows from 1 on
  for (const char* name : {"s.h5", "packed.h5"}) {
    const ShardReader reader(directory / name);
    EXPECT_EQ(reader.is_repacked(), std::string(name) == "packed.h5");
    for (int round = 0; round < 2; ++round) {  // first with tests of checksums, then without
      std::vector<uint8_t> rgb(frames.size() * kHeight * kWidth * 3), expected_rgb;
      std::vector<int8_t> flow(frames.size() * kFlowHeight * kFlowWidth * 2), expected_flow;
      std::vector<Joint> joints(frames.size() * kJointCount);
      reader.read_images_into(1, frames, rgb.data());
      reader.read_flow_into(1, frames, flow.data());
      reader.read_joints_into(1, frames, joints.data());
      for (size_t i = 0; i < frames.size(); ++i) {
        const Image image = reader.read_image(1 + frames[i]);
        expected_rgb.insert(expected_rgb.end(), image.rgb.begin(), image.rgb.end());
        const std::vector<int8_t> one = reader.read_flow(1 + frames[i]);
        expected_flow.insert(expected_flow.end(), one.begin(), one.end());
        EXPECT_EQ(joints[i * kJointCount + 3].y, reader.read_joints(1 + frames[i])[3].y);
      }
      EXPECT_EQ(rgb, expected_rgb) << name;
      EXPECT_EQ(flow, expected_flow) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Encodings, ShardEncodingTest,
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg), encoding_name);

}  // namespace
}  // namespace muster::datastore
