#include "common/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/keyed_random.h"

namespace muster::common {
namespace {

std::vector<uint8_t> noise(size_t count) {
  KeyedRandom random(count);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  return bytes;
}

// The definition: one bit after the other, reflected polynomial 0x82F63B78.
uint32_t bitwise_crc32c(const std::vector<uint8_t>& bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
  }
  return ~crc;
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
      const auto begin = bytes.begin() + static_cast<long>(shift);
      const std::vector<uint8_t> part(begin, begin + static_cast<long>(count));
      ASSERT_EQ(crc32c(bytes.data() + shift, count), bitwise_crc32c(part)) << shift << " " << count;
    }
  }
}

TEST(Crc32cTest, IsTheBitwiseDefinitionOfLongInput) {
  for (const size_t count : {4095, 4096, 4097, 1 << 20}) {
    const std::vector<uint8_t> bytes = noise(count);
    EXPECT_EQ(crc32c(bytes.data(), count), bitwise_crc32c(bytes)) << count;
  }
}

TEST(Crc32cTest, ContinuesAtEveryCut) {
  const std::vector<uint8_t> bytes = noise(700);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t before = crc32c(bytes.data(), cut);
    EXPECT_EQ(crc32c(bytes.data() + cut, bytes.size() - cut, before), bitwise_crc32c(bytes)) << cut;
  }
}

TEST(Crc32cPortableTest, OfTheCheckString) {
  EXPECT_EQ(crc32c_portable("123456789", 9), 0xE3069283u);
}

TEST(Crc32cPortableTest, IsThatOfTheProcessorAtEveryLength) {
  for (size_t count = 0; count < 70; ++count) {
    const std::vector<uint8_t> bytes = noise(count);
    EXPECT_EQ(crc32c_portable(bytes.data(), count), crc32c(bytes.data(), count)) << count;
  }
}

TEST(Crc32cPortableTest, ContinuesWhatTheProcessorBegan) {
  const std::vector<uint8_t> bytes = noise(41);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t before = crc32c(bytes.data(), cut);
    EXPECT_EQ(crc32c_portable(bytes.data() + cut, bytes.size() - cut, before),
              bitwise_crc32c(bytes))
        << cut;
  }
}

}  // namespace
}  // namespace muster::common
