#include "common/keyed_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace muster::common {
namespace {

// Pearson's statistic of equally likely cells.
double chi_square(const std::vector<int>& counts) {
  const double expected =
      std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
  double sum = 0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

// The statistic has mean d and variance 2d; six deviations leave room for any honest generator.
double chi_square_limit(size_t cells) {
  const auto degrees = static_cast<double>(cells - 1);
  return degrees + 6 * std::sqrt(2 * degrees);
}

// Reference values of SplitMix64 with seed 0, as its author publishes them.
TEST(MixedTest, IsSplitMix64) {
  EXPECT_EQ(mixed(0), 0xE220A8397B1DCDAFull);
  EXPECT_EQ(mixed(0x9E3779B97F4A7C15ull), 0x6E789E6AA1B965F4ull);
  EXPECT_EQ(mixed(0x9E3779B97F4A7C15ull * 2), 0x06C45D188009454Full);
}

TEST(CombinedKeyTest, OrderOfThePartsCounts) {
  EXPECT_NE(combined_key({1, 2}), combined_key({2, 1}));
}

TEST(CombinedKeyTest, ATrailingZeroCounts) { EXPECT_NE(combined_key({1}), combined_key({1, 0})); }

TEST(CombinedKeyTest, SmallPartsNeverCollide) {
  std::set<uint64_t> keys;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (uint64_t step = 0; step < 100; ++step) {
      for (uint64_t clip = 0; clip < 20; ++clip) keys.insert(combined_key({seed, step, clip}));
    }
  }
  EXPECT_EQ(keys.size(), 20u * 100 * 20);
}

TEST(KeyedRandomTest, TheSameKeyGivesTheSameNumbers) {
  KeyedRandom first(42), second(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first.next(), second.next());
}

TEST(KeyedRandomTest, AStreamDoesNotDependOnDrawsFromOthers) {
  KeyedRandom alone(7);
  std::vector<uint64_t> expected;
  for (int i = 0; i < 10; ++i) expected.push_back(alone.next());
  KeyedRandom interleaved(7), other(8);
  std::vector<uint64_t> drawn;
  for (int i = 0; i < 10; ++i) {
    other.normal();
    drawn.push_back(interleaved.next());
    other.below(5);
  }
  EXPECT_EQ(drawn, expected);
}

TEST(KeyedRandomTest, ACopyContinuesWhereTheOriginalIs) {
  KeyedRandom original(3);
  original.next();
  KeyedRandom copy = original;
  EXPECT_EQ(copy.next(), original.next());
}

TEST(KeyedRandomTest, NeighbouringKeysAreUncorrelated) {
  double sum = 0;
  constexpr int kDraws = 20000;
  for (int key = 0; key < kDraws; ++key) {
    const auto word = static_cast<uint64_t>(key);
    sum += (KeyedRandom(word).uniform() - 0.5) * (KeyedRandom(word + 1).uniform() - 0.5);
  }
  // The product has mean 0 and deviation 1/12.
  EXPECT_LT(std::abs(sum / kDraws), 6.0 / 12 / std::sqrt(kDraws));
}

TEST(UniformTest, StaysInTheHalfOpenUnitInterval) {
  KeyedRandom random(1);
  for (int i = 0; i < 100000; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
  }
}

TEST(UniformTest, FillsItsCellsEvenly) {
  KeyedRandom random(2);
  std::vector<int> counts(64);
  for (int i = 0; i < 64000; ++i) ++counts[static_cast<size_t>(random.uniform() * 64)];
  EXPECT_LT(chi_square(counts), chi_square_limit(64));
}

TEST(UniformTest, FirstDrawsOfSuccessiveKeysFillTheirCellsEvenly) {
  std::vector<int> counts(64);
  for (uint64_t key = 0; key < 64000; ++key) {
    ++counts[static_cast<size_t>(KeyedRandom(key).uniform() * 64)];
  }
  EXPECT_LT(chi_square(counts), chi_square_limit(64));
}

TEST(UniformTest, ARangeIsScaledAndShifted) {
  KeyedRandom plain(5), ranged(5);
  for (int i = 0; i < 100; ++i) {
    EXPECT_DOUBLE_EQ(ranged.uniform(-3, 5), -3 + 8 * plain.uniform());
  }
}

TEST(BelowTest, StaysInRangeForEveryBound) {
  KeyedRandom random(6);
  for (uint64_t bound = 1; bound < 200; ++bound) {
    for (int i = 0; i < 100; ++i) ASSERT_LT(random.below(bound), bound);
  }
}

TEST(BelowTest, StaysInRangeForHugeBounds) {
  KeyedRandom random(7);
  const uint64_t bound = 0xFFFFFFFFFFFFFFF1ull;
  for (int i = 0; i < 1000; ++i) ASSERT_LT(random.below(bound), bound);
}

TEST(BelowTest, IsEvenForABoundThatIsNoPowerOfTwo) {
  KeyedRandom random(8);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  EXPECT_LT(chi_square(counts), chi_square_limit(7));
}

TEST(ChanceTest, ZeroNeverAndOneAlwaysHappens) {
  KeyedRandom random(9);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(random.chance(0));
    EXPECT_TRUE(random.chance(1));
  }
}

TEST(ChanceTest, HappensAsOftenAsAsked) {
  KeyedRandom random(10);
  int happened = 0;
  for (int i = 0; i < 30000; ++i) happened += random.chance(0.3) ? 1 : 0;
  EXPECT_NEAR(happened / 30000.0, 0.3, 6 * std::sqrt(0.3 * 0.7 / 30000));
}

TEST(NormalTest, HasTheMomentsOfTheStandardNormal) {
  KeyedRandom random(11);
  constexpr int kDraws = 100000;
  double first = 0, second = 0, fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.normal();
    first += value, second += value * value, fourth += value * value * value * value;
  }
  // Variances of x, x^2 and x^4 are 1, 2 and 96.
  EXPECT_NEAR(first / kDraws, 0, 6 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(second / kDraws, 1, 6 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3, 6 * std::sqrt(96.0 / kDraws));
}

TEST(ShuffleTest, IsAPermutation) {
  std::vector<int> items(1000);
  std::iota(items.begin(), items.end(), 0);
  const std::vector<int> sorted = items;
  KeyedRandom(12).shuffle(items);
  EXPECT_NE(items, sorted);
  std::sort(items.begin(), items.end());
  EXPECT_EQ(items, sorted);
}

TEST(ShuffleTest, EveryOrderOfThreeComesEquallyOften) {
  std::vector<int> counts(27);
  for (uint64_t key = 0; key < 30000; ++key) {
    std::vector<int> items = {0, 1, 2};
    KeyedRandom(key).shuffle(items);
    ++counts[static_cast<size_t>(items[0] * 9 + items[1] * 3 + items[2])];
  }
  std::vector<int> orders;
  for (const int count : counts) {
    if (count > 0) orders.push_back(count);
  }
  ASSERT_EQ(orders.size(), 6u);
  EXPECT_LT(chi_square(orders), chi_square_limit(6));
}

TEST(ShuffleTest, NothingAndOneItemStay) {
  std::vector<int> none, one = {5};
  KeyedRandom random(13);
  random.shuffle(none);
  random.shuffle(one);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(one, std::vector<int>{5});
}

}  // namespace
}  // namespace muster::common
