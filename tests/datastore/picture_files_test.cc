#include "datastore/picture_files.h"

#include <gtest/gtest.h>
#include <zlib.h>

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

TEST_P(TruncationTest, IsReportedAtEveryLengthAndNothingIsPrinted) {
  const TestDirectory directory;
  const fs::path path = directory / ("a" + std::string(GetParam()));
  write_picture(path, waves(24, 16, 1, 0));
  const std::string whole = common::read_file(path);
  testing::internal::CaptureStderr();
  for (size_t count = whole.size() - 1; count > 0; --count) {
    write_bytes(path, whole.substr(0, count));
    EXPECT_THROW(read_picture(path), InputError) << count << " of " << whole.size();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
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

std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string png_chunk(const std::string& type, const std::string& content) {
  const std::string checked = type + content;
  const uLong crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size()));
  return big_endian(static_cast<uint32_t>(content.size())) + checked +
         big_endian(static_cast<uint32_t>(crc));
}

std::string deflated(const std::string& bytes) {
  std::string out(::compressBound(bytes.size()), '\0');
  uLongf size = out.size();
  EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(out.data()), &size,
                       reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()),
            Z_OK);
  return out.substr(0, size);
}

// A file of one row, whose chunks have right checksums whatever is in them.
std::string png_of(int width, int bits, int colour_type, const std::string& compressed,
                   const std::string& other_chunks = "") {
  const std::string header = big_endian(static_cast<uint32_t>(width)) + big_endian(1) +
                             static_cast<char>(bits) + static_cast<char>(colour_type) +
                             std::string(3, '\0');
  return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + other_chunks +
         png_chunk("IDAT", compressed) + png_chunk("IEND", "");
}

// Checksums tell nothing of what was compressed wrongly.
TEST(PictureFilesTest, PixelDataThatCannotBeUnpackedIsReportedAndNothingIsPrinted) {
  const TestDirectory directory;
  const fs::path path = directory / "a.png";
  const std::string row = std::string("\0\x01\x02\x03\x04\x05\x06", 7);
  const std::string good = deflated(row);
  std::string wrong_checksum = good, wrong_filter = row;
  wrong_checksum.back() ^= 1;
  wrong_filter[0] = 9;
  testing::internal::CaptureStderr();
  write_bytes(path, png_of(2, 8, 2, good));
  EXPECT_EQ(read_picture(path).rgb, (std::vector<uint8_t>{1, 2, 3, 4, 5, 6}));
  for (const std::string& bad : {deflated(row.substr(0, 4)), good.substr(0, good.size() - 6),
                                 std::string(12, '\0'), wrong_checksum, deflated(wrong_filter)}) {
    write_bytes(path, png_of(2, 8, 2, bad));
    EXPECT_TRUE(contains(refusal(path), "cannot be decoded"));
  }
  write_bytes(path, png_of(2000000, 1, 0, good));
  refusal(path);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(PictureFilesTest, APngGivesThePixelsThatItHolds) {
  const TestDirectory directory;
  const fs::path path = directory / "a.png";
  using Bytes = std::vector<uint8_t>;
  const auto pixels = [&](const std::string& file) {
    write_bytes(path, file);
    return read_picture(path).rgb;
  };
  const std::string colour = deflated(std::string("\0\x0A\x50\xC8", 4));
  const std::string gamma = png_chunk("gAMA", big_endian(100000));  // linear light
  EXPECT_EQ(pixels(png_of(1, 8, 2, colour, gamma)), (Bytes{10, 80, 200}));
  EXPECT_EQ(pixels(png_of(1, 8, 2, colour, png_chunk("iCCP", "nonsense"))), (Bytes{10, 80, 200}));
  const std::string clear = deflated(std::string("\0\x0A\x50\xC8\0\x01\x02\x03\xFF", 9));
  EXPECT_EQ(pixels(png_of(2, 8, 6, clear)), (Bytes{10, 80, 200, 1, 2, 3}));
  const std::string deep = deflated(std::string("\0\x64\x64", 3));  // 16 bits: 100 * 257
  EXPECT_EQ(pixels(png_of(1, 16, 0, deep)), (Bytes{100, 100, 100}));
  const std::string palette = png_chunk("PLTE", "abcdef");
  EXPECT_EQ(pixels(png_of(1, 8, 3, deflated(std::string("\0\1", 2)), palette)),
            (Bytes{'d', 'e', 'f'}));
}

std::string little_endian(int64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i);
  return text;
}

// `body` is what follows the 40 bytes of header.
std::string bmp_of(int width, int height, int bits, int compression, int colours, int pixels_at,
                   const std::string& body) {
  return "BM" + little_endian(54 + int64_t(body.size()), 4) + little_endian(0, 4) +
         little_endian(pixels_at, 4) + little_endian(40, 4) + little_endian(width, 4) +
         little_endian(height, 4) + little_endian(1, 2) + little_endian(bits, 2) +
         little_endian(compression, 4) + std::string(12, '\0') + little_endian(colours, 4) +
         std::string(4, '\0') + body;
}

TEST(PictureFilesTest, ABmpGivesThePixelsThatItHolds) {
  const TestDirectory directory;
  const fs::path path = directory / "a.bmp";
  using Bytes = std::vector<uint8_t>;
  const auto pixels = [&](const std::string& file) {
    write_bytes(path, file);
    return read_picture(path).rgb;
  };
  const std::string two_rows = "\x03\x02\x01~\x06\x05\x04~";  // blue, green, red, padding
  EXPECT_EQ(pixels(bmp_of(1, 2, 24, 0, 0, 54, two_rows)), (Bytes{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(pixels(bmp_of(1, -2, 24, 0, 0, 54, two_rows)), (Bytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(pixels(bmp_of(2, 1, 32, 0, 0, 54, two_rows)), (Bytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(pixels(bmp_of(2, 1, 8, 0, 2, 62, two_rows + std::string("\1\0~~", 4))),
            (Bytes{4, 5, 6, 1, 2, 3}));
}

TEST(PictureFilesTest, ABmpThatDoesNotFitItsHeaderIsReportedAndNothingIsPrinted) {
  const TestDirectory directory;
  const fs::path path = directory / "a.bmp";
  const std::string body(64, 'x');
  testing::internal::CaptureStderr();
  for (const std::string& bad :
       {bmp_of(4, 5, 24, 0, 0, 59, body), bmp_of(4, 0, 24, 0, 0, 54, body),
        bmp_of(0, 4, 24, 0, 0, 54, body), bmp_of(-4, 4, 24, 0, 0, 54, body),
        bmp_of(4, INT32_MIN, 24, 0, 0, 54, body), bmp_of(70000, 70000, 24, 0, 0, 54, body),
        bmp_of(4, 4, 7, 0, 0, 54, body), bmp_of(4, 4, 24, 0, 0, 10, body),
        bmp_of(4, 4, 24, 0, 0, -90, body), bmp_of(4, 4, 24, 0, 0, 200, body),
        bmp_of(4, 4, 8, 0, 0, 54, body), bmp_of(4, 4, 8, 0, 300, 54, body),
        bmp_of(4, 4, 8, 0, -1, 54, body), bmp_of(4, 4, 24, 9, 0, 54, body)}) {
    write_bytes(path, bad);
    refusal(path);
  }
  // Packed rows may be short without their header telling of it.
  write_bytes(path, bmp_of(4, 4, 8, 1, 2, 62, std::string("abc~def~\x04\x01", 10)));
  EXPECT_TRUE(contains(refusal(path), "of a kind that muster does not read"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// A BMP has no checksum: it may be read as something else, in silence.
TEST(PictureFilesTest, ADamagedHeaderOfABmpPrintsNothing) {
  const TestDirectory directory;
  const fs::path path = directory / "a.bmp";
  const std::string body(1200, 'x');
  int refused = 0;
  testing::internal::CaptureStderr();
  for (const int bits : {8, 16, 24, 32}) {
    const std::string whole = bmp_of(4, 4, bits, 0, 0, 54 + (bits == 8 ? 1024 : 0), body);
    for (size_t bit = 0; bit < 54 * 8; ++bit) {
      std::string damaged = whole;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      write_bytes(path, damaged);
      try {
        read_picture(path);
      } catch (const InputError&) {
        ++refused;
      }
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_GT(refused, 400);
}

// OpenCV reads these too, and prints lines of its own about damaged ones.
TEST(PictureFilesTest, OtherFormatsAreRefusedWhateverTheyAreCalledAndNothingIsPrinted) {
  const TestDirectory directory;
  testing::internal::CaptureStderr();
  for (const char* ending : {".png", ".jpg", ".bmp"}) {
    const fs::path path = directory / ("a" + std::string(ending));
    for (const char* format : {".tiff", ".ppm", ".hdr", ".jp2", ".webp"}) {
      const std::vector<uint8_t> bytes = encoded_picture(waves(64, 48, 1, 0), format);
      for (const size_t count : {bytes.size(), bytes.size() / 2}) {
        write_bytes(path, std::string(bytes.begin(), bytes.begin() + std::ptrdiff_t(count)));
        EXPECT_TRUE(contains(refusal(path), "is no JPEG, PNG or BMP picture")) << format;
      }
    }
  }
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
