#include "common/sha256.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::common {
namespace {

// Published with FIPS 180-4.
constexpr char kOfNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfTwoBlocks[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
constexpr char kOfAMillionA[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256Test, OfNothing) { EXPECT_EQ(sha256_of(""), kOfNothing); }

TEST(Sha256Test, OfOneBlock) { EXPECT_EQ(sha256_of("abc"), kOfAbc); }

TEST(Sha256Test, OfTwoBlocks) {
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), kOfTwoBlocks);
}

TEST(Sha256Test, OfAMillionBytes) { EXPECT_EQ(sha256_of(std::string(1000000, 'a')), kOfAMillionA); }

TEST(Sha256Test, InUnevenPiecesIsTheSame) {
  Sha256 hash;
  for (size_t done = 0, piece = 1; done < 1000000; piece = piece * 3 % 4099) {
    const size_t count = std::min(piece, 1000000 - done);
    hash.update(std::string(count, 'a'));
    done += count;
  }
  EXPECT_EQ(hash.finish(), kOfAMillionA);
}

TEST(Sha256Test, KeepsZeroBytes) {
  EXPECT_NE(sha256_of(std::string("a\0b", 3)), sha256_of(std::string("a", 1)));
}

TEST(Sha256FileTest, IsThatOfItsBytesAcrossReadBlocks) {
  const TestDirectory directory;
  std::string bytes;
  for (int i = 0; i < (1 << 20) + 12345; ++i) bytes += static_cast<char>(i * 31 % 253);
  std::ofstream(directory / "data", std::ios::binary) << bytes;
  EXPECT_EQ(sha256_of_file(directory / "data"), sha256_of(bytes));
}

TEST(Sha256FileTest, OfAnEmptyFile) {
  const TestDirectory directory;
  std::ofstream(directory / "empty");
  EXPECT_EQ(sha256_of_file(directory / "empty"), kOfNothing);
}

TEST(Sha256FileTest, AMissingFileIsAnInputErrorThatNamesIt) {
  const TestDirectory directory;
  const std::string text = failure_text<InputError>([&] { sha256_of_file(directory / "absent"); });
  EXPECT_TRUE(contains(text, (directory / "absent").string())) << text;
}

TEST(Sha256FileTest, ADirectoryIsAnInputErrorNotTheHashOfNothing) {
  const TestDirectory directory;
  EXPECT_THROW(sha256_of_file(directory.path()), InputError);
}

TEST(Sha256FileTest, ALinkToNowhereIsToldAsSuch) {
  const TestDirectory directory;
  std::filesystem::create_symlink("absent", directory / "link");
  const std::string text = failure_text<InputError>([&] { sha256_of_file(directory / "link"); });
  EXPECT_EQ(text, (directory / "link").string() + ": is a link to nowhere");
}

}  // namespace
}  // namespace muster::common
