#include "common/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/keyed_random.h"
#include "tests/common/crc32c_reference.h"

namespace muster::common {
namespace {

std::vector<uint8_t> noise(size_t count) {
  KeyedRandom random(count);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  return bytes;
}

TEST(Crc32cTest, OfTheCheckString) { EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u); }

// RFC 3720, appendix B.4.
TEST(Crc32cTest, OfThirtyTwoZeros) {
  const std::vector<uint8_t> bytes(32, 0);
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), 0x8A9136AAu);
}

TEST(Crc32cTest, OfThirtyTwoOnes) {
  const std::vector<uint8_t> bytes(32, 0xFF);
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), 0x62A8AB43u);
}

TEST(Crc32cTest, OfAscendingBytes) {
  std::vector<uint8_t> bytes;
  for (uint8_t i = 0; i < 32; ++i) bytes.push_back(i);
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), 0x46DD794Eu);
}

TEST(Crc32cTest, OfNothingIsZero) { EXPECT_EQ(crc32c("", 0), 0u); }

TEST(Crc32cTest, ContinuingWithNothingChangesNothing) {
  EXPECT_EQ(crc32c("", 0, 0xE3069283u), 0xE3069283u);
}

// Lengths on both sides of every width that a processor's instructions work in.
TEST(Crc32cTest, IsTheBitwiseDefinitionAtEveryLengthAndAlignment) {
  const std::vector<uint8_t> bytes = noise(300 + 64);
  for (size_t shift = 0; shift < 64; ++shift) {
    for (size_t count = 0; count <= 300; ++count) {
      const uint8_t* part = bytes.data() + shift;
      ASSERT_EQ(crc32c(part, count), bitwise_crc32c(part, count)) << shift << " " << count;
    }
  }
}

TEST(Crc32cTest, IsTheBitwiseDefinitionOfLongInput) {
  for (const size_t count : {4095, 4096, 4097, 1 << 20}) {
    const std::vector<uint8_t> bytes = noise(count);
    EXPECT_EQ(crc32c(bytes.data(), count), bitwise_crc32c(bytes.data(), count)) << count;
  }
}

TEST(Crc32cTest, ContinuesAtEveryCut) {
  const std::vector<uint8_t> bytes = noise(700);
  const uint32_t whole = bitwise_crc32c(bytes.data(), bytes.size());
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t before = crc32c(bytes.data(), cut);
    EXPECT_EQ(crc32c(bytes.data() + cut, bytes.size() - cut, before), whole) << cut;
  }
}

}  // namespace
}  // namespace muster::common
