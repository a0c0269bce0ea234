#include "datastore/shard_writer.h"

#include <gtest/gtest.h>

#include "tests/datastore/shard_example.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::names_in;
using common::SystemError;
using common::TestDirectory;

TEST(ShardFormatTest, DatasetsHaveTheDocumentedTypesAndShapes) {
  using Shape = std::vector<hsize_t>;
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const RawFile file(directory / "s.h5", H5F_ACC_RDONLY);
  EXPECT_EQ(file.shape("/frames/rgb"), (Shape{5, kHeight, kWidth, 3}));
  EXPECT_TRUE(file.has_type("/frames/rgb", H5T_STD_U8LE));
  EXPECT_EQ(file.shape("/frames/flow"), (Shape{5, kFlowHeight, kFlowWidth, 2}));
  EXPECT_TRUE(file.has_type("/frames/flow", H5T_STD_I8LE));
  EXPECT_EQ(file.shape("/frames/joints"), (Shape{5, 14, 3}));
  EXPECT_TRUE(file.has_type("/frames/joints", H5T_IEEE_F32LE));
  EXPECT_TRUE(file.has_type("/frames/crc32c", H5T_STD_U32LE));
  EXPECT_EQ(file.shape("/frames/flow_crc32c"), Shape{5});
  EXPECT_TRUE(file.has_type("/tracklets/start", H5T_STD_U64LE));
  EXPECT_EQ(file.shape("/tracklets/camera"), Shape{2});
}

TEST(ShardFormatTest, JpegOffsetsHaveOneEntryMoreThanFrames) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", FrameEncoding::kJpeg);
  const RawFile file(directory / "s.h5", H5F_ACC_RDONLY);
  EXPECT_EQ(file.shape("/frames/jpeg_offset"), std::vector<hsize_t>{6});
  EXPECT_TRUE(file.has_type("/frames/jpeg_offset", H5T_STD_U64LE));
}

TEST(ShardFormatTest, PayloadsAreContiguousAndOnPageBoundaries) {
  const TestDirectory directory;
  // More than a page, so that the alignment applies.
  const FrameGeometry large{128, 64, 64, 48, false, FrameEncoding::kRaw};
  {
    ShardWriter writer(directory / "s.h5", large, 1, 1, "i");
    EncodedTracklet content;
    content.frames.push_back(waves(128, 64, 0, 0).rgb);
    content.flow.emplace_back(64 * 48 * 2);
    writer.append(content);
    writer.publish();
  }
  const RawFile file(directory / "s.h5", H5F_ACC_RDONLY);
  for (const char* name : {"/frames/rgb", "/frames/flow"}) {
    const haddr_t offset = file.place_of(name);
    EXPECT_NE(offset, HADDR_UNDEF) << name;
    EXPECT_EQ(offset % 4096, 0u) << name;
  }
}

TEST(ShardFormatTest, KeepsNoTimes) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const RawFile file(directory / "s.h5", H5F_ACC_RDONLY);
  for (const char* name : {"/", "/frames", "/frames/rgb", "/frames/crc32c", "/tracklets/start"}) {
    H5O_info_t info;
    ASSERT_GE(H5Oget_info_by_name1(file.get(), name, &info, H5P_DEFAULT), 0) << name;
    EXPECT_EQ(info.ctime, 0) << name;
    EXPECT_EQ(info.mtime, 0) << name;
  }
}

TEST(ShardFormatTest, FlowSaysItsScale) {
  const TestDirectory directory;
  write_shard(directory / "s.h5");
  const RawFile file(directory / "s.h5", H5F_ACC_RDONLY);
  const hid_t attribute =
      H5Aopen_by_name(file.get(), "/frames/flow", "scale_factor", H5P_DEFAULT, H5P_DEFAULT);
  double scale = 0;
  H5Aread(attribute, H5T_NATIVE_DOUBLE, &scale);
  H5Aclose(attribute);
  EXPECT_DOUBLE_EQ(scale, 20.0 / 127);
}

TEST(ShardUuidTest, IsTheOneThatPublishReturned) {
  const TestDirectory directory;
  const std::string uuid = write_shard(directory / "s.h5");
  EXPECT_EQ(ShardReader(directory / "s.h5").uuid(), uuid);
  EXPECT_EQ(uuid.size(), 36u);
}

TEST(ShardUuidTest, ChangesWithOnePixel) {
  const TestDirectory directory;
  const std::string before = write_shard(directory / "a.h5");
  ShardWriter writer(directory / "b.h5", example_geometry(FrameEncoding::kRaw), 2, 5, "the ingest");
  EncodedTracklet changed = example_tracklet(1, 3, FrameEncoding::kRaw);
  changed.frames[2].back() ^= 1;
  writer.append(changed);
  writer.append(example_tracklet(2, 2, FrameEncoding::kRaw));
  EXPECT_NE(writer.publish(), before);
}

TEST(ShardUuidTest, ChangesWithOneJoint) {
  const TestDirectory directory;
  const std::string before = write_shard(directory / "a.h5");
  ShardWriter writer(directory / "b.h5", example_geometry(FrameEncoding::kRaw), 2, 5, "the ingest");
  EncodedTracklet changed = example_tracklet(1, 3, FrameEncoding::kRaw);
  changed.joints[20].x += 1;
  writer.append(changed);
  writer.append(example_tracklet(2, 2, FrameEncoding::kRaw));
  EXPECT_NE(writer.publish(), before);
}

TEST(ShardWriterTest, NothingStandsUnderTheNameBeforePublishing) {
  const TestDirectory directory;
  ShardWriter writer(directory / "s.h5", example_geometry(FrameEncoding::kJpeg), 2, 5, "i");
  writer.append(example_tracklet(1, 3, FrameEncoding::kJpeg));
  EXPECT_FALSE(fs::exists(directory / "s.h5"));
}

TEST(ShardWriterTest, LeavesNothingWhenItIsDestroyedUnpublished) {
  const TestDirectory directory;
  {
    ShardWriter writer(directory / "s.h5", example_geometry(FrameEncoding::kJpeg), 2, 5, "i");
    writer.append(example_tracklet(1, 3, FrameEncoding::kJpeg));
  }
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(ShardWriterTest, LeavesOnlyTheShardAfterPublishing) {
  const TestDirectory directory;
  write_shard(directory / "s.h5", FrameEncoding::kJpeg);
  EXPECT_EQ(common::names_in(directory.path()), std::vector<std::string>{"s.h5"});
}

TEST(ShardWriterTest, RefusesToPublishWithFramesMissing) {
  const TestDirectory directory;
  ShardWriter writer(directory / "s.h5", example_geometry(FrameEncoding::kRaw), 2, 5, "i");
  writer.append(example_tracklet(1, 3, FrameEncoding::kRaw));
  EXPECT_THROW(writer.publish(), common::RequirementError);
}

TEST(ShardWriterTest, RefusesAFrameOfAnotherSize) {
  const TestDirectory directory;
  ShardWriter writer(directory / "s.h5", example_geometry(FrameEncoding::kRaw), 2, 5, "i");
  EncodedTracklet wrong = example_tracklet(1, 3, FrameEncoding::kRaw);
  wrong.frames[1].pop_back();
  EXPECT_THROW(writer.append(wrong), common::RequirementError);
}

TEST(ShardWriterTest, AMissingDirectoryIsASystemError) {
  const TestDirectory directory;
  EXPECT_THROW(
      ShardWriter(directory / "absent/s.h5", example_geometry(FrameEncoding::kRaw), 1, 1, "i"),
      SystemError);
}

}  // namespace
}  // namespace muster::datastore
