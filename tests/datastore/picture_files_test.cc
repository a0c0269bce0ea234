#include "datastore/picture_files.h"

#include <gtest/gtest.h>

#include "datastore/jpeg_codec.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Reads `path`, which must be refused by name.
std::string refusal(const fs::path& path) {
  const std::string text = failure_text<InputError>([&] { read_picture(path); });
  EXPECT_TRUE(contains(text, path.string())) << text;
  return text;
}

TEST(PictureFilesTest, APngComesBackPixelByPixel) {
  const TestDirectory directory;
  const Image image = waves(19, 11, 2, 3);
  write_picture(directory / "a.png", image);
  const Image read = read_picture(directory / "a.png");
  EXPECT_EQ(read.height, 19);
  EXPECT_EQ(read.width, 11);
  EXPECT_EQ(read.rgb, image.rgb);
}

TEST(PictureFilesTest, AJpegComesBackCloseToItself) {
  const TestDirectory directory;
  const Image image = waves(32, 24, 2, 3);
  write_picture(directory / "a.jpg", image);
  const Image read = read_picture(directory / "a.jpg");
  ASSERT_EQ(read.rgb.size(), image.rgb.size());
  double sum = 0;
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    sum += std::abs(int{read.rgb[i]} - int{image.rgb[i]});
  }
  EXPECT_LT(sum / static_cast<double>(image.rgb.size()), 6);
}

TEST(PictureFilesTest, TheFirstByteIsRed) {
  const TestDirectory directory;
  write_picture(directory / "a.png", Image{1, 2, {250, 10, 20, 30, 240, 50}});
  EXPECT_EQ(read_picture(directory / "a.png").rgb,
            (std::vector<uint8_t>{250, 10, 20, 30, 240, 50}));
}

TEST(PictureFilesTest, WritesTheFormatOfTheExtension) {
  const TestDirectory directory;
  write_picture(directory / "a.png", waves(8, 8, 0, 0));
  write_picture(directory / "a.jpg", waves(8, 8, 0, 0));
  EXPECT_EQ(common::read_file(directory / "a.png").substr(1, 3), "PNG");
  EXPECT_EQ(common::read_file(directory / "a.jpg").substr(0, 2), "\xFF\xD8");
}

TEST(PictureFilesTest, AFileThatCannotBeWrittenIsASystemErrorThatNamesIt) {
  const TestDirectory directory;
  const fs::path path = directory / "absent/a.png";
  const std::string text =
      failure_text<common::SystemError>([&] { write_picture(path, waves(8, 8, 0, 0)); });
  EXPECT_TRUE(contains(text, path.string())) << text;
}

TEST(PictureFilesTest, AMissingFileIsNamed) {
  const TestDirectory directory;
  refusal(directory / "absent.png");
}

TEST(PictureFilesTest, AnEmptyFileIsNamed) {
  const TestDirectory directory;
  write_bytes(directory / "a.png", "");
  EXPECT_TRUE(contains(refusal(directory / "a.png"), "empty"));
}

TEST(PictureFilesTest, AFileThatIsNoPictureIsNamed) {
  const TestDirectory directory;
  write_bytes(directory / "a.png", "this is text");
  refusal(directory / "a.png");
}

class TruncationTest : public testing::TestWithParam<const char*> {};

TEST_P(TruncationTest, IsReportedAtEveryLength) {
  const TestDirectory directory;
  const fs::path path = directory / ("a" + std::string(GetParam()));
  write_picture(path, waves(24, 16, 1, 0));
  const std::string whole = common::read_file(path);
  for (size_t count = whole.size() - 1; count > 0; --count) {
    write_bytes(path, whole.substr(0, count));
    ASSERT_THROW(read_picture(path), InputError) << count << " of " << whole.size();
  }
}

TEST_P(TruncationTest, NamesTheFile) {
  const TestDirectory directory;
  const fs::path path = directory / ("a" + std::string(GetParam()));
  write_picture(path, waves(24, 16, 1, 0));
  fs::resize_file(path, fs::file_size(path) / 2);
  refusal(path);
}

INSTANTIATE_TEST_SUITE_P(Formats, TruncationTest, testing::Values(".png", ".jpg", ".bmp"),
                         [](const auto& parameter) {
                           return std::string(parameter.param).substr(1);
                         });

// Cameras embed a whole small JPEG; its end must not be taken for the end of the picture.
TEST(PictureFilesTest, ATruncatedJpegWithAThumbnailIsReported) {
  const TestDirectory directory;
  const std::vector<uint8_t> large = encoded_jpeg(waves(64, 48, 1, 0));
  const std::vector<uint8_t> small = encoded_jpeg(waves(8, 8, 1, 0));
  const size_t segment = small.size() + 2;
  std::string bytes = "\xFF\xD8\xFF\xE1";
  bytes += static_cast<char>(segment >> 8);
  bytes += static_cast<char>(segment & 255);
  bytes.append(small.begin(), small.end());
  bytes.append(large.begin() + 2, large.end());
  write_bytes(directory / "whole.jpg", bytes);
  ASSERT_EQ(read_picture(directory / "whole.jpg").height, 64);
  write_bytes(directory / "cut.jpg", bytes.substr(0, bytes.size() - large.size() / 2));
  refusal(directory / "cut.jpg");
}

TEST(PictureFilesTest, BytesAfterTheEndOfAJpegAreAccepted) {
  const TestDirectory directory;
  const Image image = waves(24, 16, 1, 0);
  write_picture(directory / "a.jpg", image);
  std::ofstream(directory / "a.jpg", std::ios::app) << std::string(10, '\0');
  EXPECT_EQ(read_picture(directory / "a.jpg").height, 24);
}

TEST(PictureFilesTest, ADamagedPngIsReported) {
  const TestDirectory directory;
  write_picture(directory / "a.png", waves(24, 16, 1, 0));
  const auto middle = fs::file_size(directory / "a.png") / 2;
  flip_bit(directory / "a.png", middle, 3);
  refusal(directory / "a.png");
}

// libpng would print lines of its own about most of these.
TEST(PictureFilesTest, EveryDamagedByteOfAPngIsReportedAndNothingIsPrinted) {
  const TestDirectory directory;
  const fs::path path = directory / "a.png";
  write_picture(path, waves(24, 16, 1, 0));
  const auto size = fs::file_size(path);
  testing::internal::CaptureStderr();
  for (uint64_t byte = 0; byte < size; ++byte) {
    flip_bit(path, byte, 5);
    EXPECT_THROW(read_picture(path), InputError) << "byte " << byte;
    flip_bit(path, byte, 5);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(read_picture(path).height, 24);
}

TEST(PictureFilesTest, APngWithoutPixelsIsReportedAndNothingIsPrinted) {
  const TestDirectory directory;
  const fs::path path = directory / "a.png";
  write_picture(path, waves(24, 16, 1, 0));
  const std::string whole = common::read_file(path);
  testing::internal::CaptureStderr();
  write_bytes(path, whole.substr(0, 33) + whole.substr(whole.size() - 12));
  EXPECT_TRUE(contains(refusal(path), "no pixels"));
  write_bytes(path, whole.substr(0, 8) + whole.substr(33));
  refusal(path);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(PictureFilesTest, BytesAfterTheEndOfAPngAreAccepted) {
  const TestDirectory directory;
  write_picture(directory / "a.png", waves(24, 16, 1, 0));
  std::ofstream(directory / "a.png", std::ios::app) << std::string(10, '\0');
  EXPECT_EQ(read_picture(directory / "a.png").height, 24);
}

}  // namespace
}  // namespace muster::datastore
