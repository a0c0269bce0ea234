#include "datastore/tracklet_encoder.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "datastore/jpeg_codec.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

SourceFrame jpeg_file(int height, int width) {
  const std::vector<uint8_t> bytes = encoded_jpeg(waves(height, width, 3, 1));
  return {decoded_jpeg(bytes.data(), bytes.size(), "a test"), bytes};
}

TEST(StoredPictureTest, AJpegFileOfTheRightSizeIsKeptAsItIs) {
  const SourceFrame frame = jpeg_file(24, 16);
  EXPECT_EQ(stored_picture(frame, small_options(FrameEncoding::kJpeg)), frame.jpeg);
}

TEST(StoredPictureTest, AJpegFileOfAnotherSizeIsEncodedAgain) {
  const SourceFrame frame = jpeg_file(48, 32);
  const auto stored = stored_picture(frame, small_options(FrameEncoding::kJpeg));
  const Image decoded = decoded_jpeg(stored.data(), stored.size(), "a test");
  EXPECT_EQ(decoded.height, 24);
  EXPECT_EQ(decoded.width, 16);
}

TEST(StoredPictureTest, AFileThatCarriesMoreThanItsPicturesWorthIsEncodedAgain) {
  SourceFrame frame = jpeg_file(24, 16);
  frame.jpeg.insert(frame.jpeg.end(), 24 * 16 * 3, 0);
  EXPECT_EQ(stored_picture(frame, small_options(FrameEncoding::kJpeg)), encoded_jpeg(frame.image));
}

TEST(StoredPictureTest, ARawStoreKeepsPixels) {
  const SourceFrame frame = jpeg_file(24, 16);
  EXPECT_EQ(stored_picture(frame, small_options()), frame.image.rgb);
}

TEST(EncodeTrackletTest, WholePixelFlowHasOnlyMultiplesOfAPixel) {
  const FakeDataset dataset = two_camera_dataset(1, 3);
  IngestOptions options = small_options();
  options.flow_height = 24, options.flow_width = 16;  // nothing is resampled
  const EncodedTracklet exact = encode_tracklet(dataset, 0, options, false);
  options.whole_pixel_flow = true;
  const EncodedTracklet whole = encode_tracklet(dataset, 0, options, false);
  int between = 0, moving = 0;
  for (size_t i = 0; i < whole.flow[2].size(); ++i) {
    // Counts of 0, 1, 2, 3 ... pixels.
    const int pixels = static_cast<int>(std::lround(whole.flow[2][i] * kFlowPixelsPerCount));
    EXPECT_EQ(whole.flow[2][i], std::lround(pixels / kFlowPixelsPerCount));
    between += exact.flow[2][i] != whole.flow[2][i] ? 1 : 0;
    moving += whole.flow[2][i] != 0 ? 1 : 0;
  }
  EXPECT_GT(between, 0);
  EXPECT_GT(moving, 0);
}

TEST(EncodeTrackletTest, JointsOfPicturesOfTheStoredSizeKeepEveryBit) {
  FakeDataset dataset = two_camera_dataset(1, 3);
  dataset.give_joints();
  const EncodedTracklet tracklet = encode_tracklet(dataset, 1, small_options(), true);
  const std::vector<Joint> source = dataset.read_joints(1);
  for (size_t i = 0; i < source.size(); ++i) {
    ASSERT_EQ(tracklet.joints[i].x, source[i].x);
    ASSERT_EQ(tracklet.joints[i].y, source[i].y);
  }
}

TEST(LookAtTrackletTest, TellsWhatReadingItWouldMeet) {
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(1, 2);
  dataset.give_joints({0});
  EXPECT_EQ(look_at_tracklet(dataset, 0).fault, "");
  EXPECT_FALSE(look_at_tracklet(dataset, 0).has_joints);
  EXPECT_EQ(look_at_tracklet(dataset, 1).fault, "2.png: is truncated");
  EXPECT_TRUE(look_at_tracklet(dataset, 1).has_joints);
}

}  // namespace
}  // namespace muster::datastore
