// Shards that somebody made to harm the reader: every part of them is valid HDF5, and the checksums
// and offsets fit. Each must be refused before memory is reserved for its frames.
#include <gtest/gtest.h>
#include <hdf5.h>

#include "datastore/jpeg_codec.h"
#include "datastore/shard_writer.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using Shape = std::vector<hsize_t>;

constexpr hsize_t kFrames = 3, kHeight = 16, kWidth = 8, kFlowHeight = 5, kFlowWidth = 4;
constexpr hsize_t k2To32 = hsize_t{1} << 32;

// A type of the caller's making, closed at the end.
class TypeOfOneByte {
 public:
  // A number with 4 bits of exponent and 3 of mantissa: no wider than int8, but HDF5 gives float.
  TypeOfOneByte() : id_(H5Tcopy(H5T_IEEE_F32LE)) {
    H5Tset_fields(id_, 7, 3, 4, 0, 3);
    H5Tset_precision(id_, 8);
    H5Tset_size(id_, 1);
    H5Tset_ebias(id_, 7);
  }
  ~TypeOfOneByte() { H5Tclose(id_); }
  TypeOfOneByte(const TypeOfOneByte&) = delete;
  TypeOfOneByte& operator=(const TypeOfOneByte&) = delete;
  hid_t get() const { return id_; }

 private:
  hid_t id_;
};

class HostileShardTest : public testing::Test {
 protected:
  void write(FrameEncoding encoding) const {
    const FrameGeometry geometry{kHeight, kWidth, kFlowHeight, kFlowWidth, true, encoding};
    ShardWriter writer(shard(), geometry, 1, kFrames, "the ingest");
    EncodedTracklet content;
    content.description = {1, 1, 0, kFrames, "t"};
    for (int frame = 0; frame < static_cast<int>(kFrames); ++frame) {
      const Image image = waves(kHeight, kWidth, 1, frame);
      content.frames.push_back(encoding == FrameEncoding::kRaw ? image.rgb : encoded_jpeg(image));
      content.flow.emplace_back(kFlowHeight * kFlowWidth * 2);
    }
    content.joints.resize(kFrames * kJointCount);
    writer.append(content);
    writer.publish();
  }
  fs::path shard() const { return directory_ / "s.h5"; }

  // Puts a dataset of zeros in the place of `name`, in chunks if a chunk's shape is given: it then
  // takes next to no room, whatever its shape.
  void replace(const char* name, hid_t type, const Shape& shape, const Shape& chunk = {}) const {
    const hid_t file = H5Fopen(shard().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    H5Ldelete(file, name, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk.empty()) {
      H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    } else {
      H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data());
    }
    const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    EXPECT_GE(dataset, 0) << name;
    H5Dclose(dataset), H5Pclose(creation), H5Sclose(space), H5Fclose(file);
  }
  Shape shape_of_jpeg() const {
    const hid_t file = H5Fopen(shard().c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t dataset = H5Dopen2(file, kFramesJpeg, H5P_DEFAULT);
    const hid_t space = H5Dget_space(dataset);
    Shape shape(static_cast<size_t>(H5Sget_simple_extent_ndims(space)));
    H5Sget_simple_extent_dims(space, shape.data(), nullptr);
    H5Sclose(space), H5Dclose(dataset), H5Fclose(file);
    return shape;
  }
  void set_numbers(const char* name, const std::vector<int64_t>& values) const {
    set_attribute(name, H5T_STD_I64LE, values.size(), values.data());
  }
  void set_attribute(const char* name, hid_t type, hsize_t count, const void* values) const {
    const hid_t file = H5Fopen(shard().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    H5Adelete(file, name);
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    EXPECT_GE(H5Awrite(attribute, type, values), 0) << name;
    H5Aclose(attribute), H5Sclose(space), H5Fclose(file);
  }
  void expect_refusal(const std::string& part) const {
    const std::string text =
        common::failure_text<common::InputError>([&] { ShardReader reader(shard()); });
    EXPECT_TRUE(contains(text, shard().string())) << text;
    EXPECT_TRUE(contains(text, part)) << text;
  }

  const common::TestDirectory directory_;
};

TEST_F(HostileShardTest, JpegBytesThatComeInRowsAreRefused) {
  write(FrameEncoding::kJpeg);
  Shape shape = shape_of_jpeg();
  shape.push_back(1000);
  replace(kFramesJpeg, H5T_STD_U8LE, shape);
  expect_refusal(kFramesJpeg);
}

TEST_F(HostileShardTest, JpegBytesInRowsOfChunksAreRefused) {
  write(FrameEncoding::kJpeg);
  Shape shape = shape_of_jpeg();
  shape.push_back(1000);
  replace(kFramesJpeg, H5T_STD_U8LE, shape, {1, 1000});
  expect_refusal(kFramesJpeg);
}

TEST_F(HostileShardTest, PicturesWithAnotherNumberOfAxesAreRefused) {
  write(FrameEncoding::kRaw);
  replace(kFramesRgb, H5T_STD_U8LE, {kFrames, kHeight * kWidth * 3});
  expect_refusal(kFramesRgb);
}

TEST_F(HostileShardTest, PicturesThatLieOnTheirSideAreRefused) {
  write(FrameEncoding::kRaw);
  replace(kFramesRgb, H5T_STD_U8LE, {kFrames, kWidth, kHeight, 3});
  expect_refusal("rgb");
}

TEST_F(HostileShardTest, SizesWhoseLowBitsFitAreRefused) {
  write(FrameEncoding::kRaw);
  set_numbers("height", {static_cast<int64_t>(k2To32 + kHeight)});
  expect_refusal("height");
}

TEST_F(HostileShardTest, SizesBelowZeroAreRefused) {
  write(FrameEncoding::kRaw);
  set_numbers("height", {-static_cast<int64_t>(kHeight)});
  set_numbers("width", {-static_cast<int64_t>(kWidth)});
  expect_refusal("height");
}

TEST_F(HostileShardTest, SizesOfJpegFramesHaveTheSameBounds) {
  write(FrameEncoding::kJpeg);
  set_numbers("width", {65536});
  expect_refusal("width");
}

TEST_F(HostileShardTest, FlowWhoseLowBitsFitIsRefused) {
  write(FrameEncoding::kRaw);
  const Shape chunk = {1, kFlowHeight, kFlowWidth, 2};
  replace(kFramesFlow, H5T_STD_I8LE, {kFrames, k2To32 + kFlowHeight, kFlowWidth, 2}, chunk);
  expect_refusal(kFramesFlow);
  replace(kFramesFlow, H5T_STD_I8LE, {kFrames, kFlowHeight, k2To32 + kFlowWidth, 2}, chunk);
  expect_refusal(kFramesFlow);
}

TEST_F(HostileShardTest, FlowWithoutHeightIsRefused) {
  write(FrameEncoding::kRaw);
  replace(kFramesFlow, H5T_STD_I8LE, {kFrames, 0, kFlowWidth, 2});
  expect_refusal(kFramesFlow);
}

TEST_F(HostileShardTest, ElementsThatHdf5WouldWidenAreRefused) {
  write(FrameEncoding::kRaw);
  const TypeOfOneByte type;
  const Shape shape = {kFrames, kFlowHeight, kFlowWidth, 2};
  replace(kFramesFlow, type.get(), shape, {1, kFlowHeight, kFlowWidth, 2});
  expect_refusal(kFramesFlow);
}

TEST_F(HostileShardTest, JointsOfWholeNumbersAreRefused) {
  write(FrameEncoding::kRaw);
  replace(kFramesJoints, H5T_STD_I32LE, {kFrames, kJointCount, 3});
  expect_refusal(kFramesJoints);
}

TEST_F(HostileShardTest, AColumnOfMoreRowsThanThereAreFrameNumbersIsRefused) {
  write(FrameEncoding::kRaw);
  replace(kFramesCrc, H5T_STD_U32LE, {hsize_t{1} << 60}, {1000});
  expect_refusal(kFramesCrc);
}

TEST_F(HostileShardTest, AnAttributeOfManyNumbersIsRefused) {
  write(FrameEncoding::kRaw);
  set_numbers("width", std::vector<int64_t>(1000, kWidth));
  expect_refusal("'width' is not one whole number");
}

TEST_F(HostileShardTest, AnAttributeThatIsNoNumberIsRefused) {
  write(FrameEncoding::kRaw);
  const double half = 0.5;
  set_attribute("complete", H5T_IEEE_F64LE, 1, &half);
  expect_refusal("'complete' is not one whole number");
}

TEST_F(HostileShardTest, AnAttributeOfManyStringsIsRefused) {
  write(FrameEncoding::kRaw);
  const std::vector<const char*> texts(1000, "many");
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  set_attribute("uuid", type, texts.size(), texts.data());
  H5Tclose(type);
  expect_refusal("'uuid' is not one string");
}

TEST_F(HostileShardTest, NumbersInTheOrderOfOtherMachinesReadTheSame) {
  write(FrameEncoding::kRaw);
  std::vector<float> joints(kFrames * kJointCount * 3);
  for (size_t i = 0; i < joints.size(); ++i) joints[i] = 0.5f * static_cast<float>(i);
  replace(kFramesJoints, H5T_IEEE_F32BE, {kFrames, kJointCount, 3});
  const hid_t file = H5Fopen(shard().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t dataset = H5Dopen2(file, kFramesJoints, H5P_DEFAULT);
  EXPECT_GE(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, joints.data()), 0);
  H5Dclose(dataset), H5Fclose(file);
  EXPECT_EQ(ShardReader(shard()).read_joints(1)[2].y, 0.5f * (1 * kJointCount * 3 + 2 * 3 + 1));
}

}  // namespace
}  // namespace muster::datastore
