#include "datastore/ordered_parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

namespace muster::datastore {
namespace {

// Even items are slow, so that they finish after their successors.
void dawdle(size_t index) {
  if (index % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

class OrderedParallelTest : public testing::TestWithParam<int> {};

TEST_P(OrderedParallelTest, ConsumesEveryResultInOrder) {
  std::vector<size_t> indices, values;
  ordered_parallel(
      40, GetParam(),
      [](size_t i) {
        dawdle(i);
        return i * i;
      },
      [&](size_t i, size_t value) {
        indices.push_back(i);
        values.push_back(value);
      });
  std::vector<size_t> expected(40);
  std::iota(expected.begin(), expected.end(), size_t{0});
  EXPECT_EQ(indices, expected);
  for (size_t& index : expected) index *= index;
  EXPECT_EQ(values, expected);
}

TEST_P(OrderedParallelTest, ConsumesInTheCallingThread) {
  std::set<std::thread::id> threads;
  ordered_parallel(
      10, GetParam(), [](size_t i) { return i; },
      [&](size_t, size_t) { threads.insert(std::this_thread::get_id()); });
  EXPECT_EQ(threads, std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST_P(OrderedParallelTest, NothingToDoEnds) {
  ordered_parallel(
      0, GetParam(), [](size_t i) { return i; }, [](size_t, size_t) { FAIL(); });
}

TEST_P(OrderedParallelTest, PassesResultsThatCannotBeCopied) {
  int sum = 0;
  ordered_parallel(
      5, GetParam(), [](size_t i) { return std::make_unique<int>(static_cast<int>(i)); },
      [&](size_t, std::unique_ptr<int> value) { sum += *value; });
  EXPECT_EQ(sum, 10);
}

TEST_P(OrderedParallelTest, RethrowsTheFailureOfTheLowestIndex) {
  std::string text;
  std::vector<size_t> consumed;
  try {
    ordered_parallel(
        40, GetParam(),
        [](size_t i) -> size_t {
          dawdle(i);
          if (i >= 4) throw std::runtime_error("item " + std::to_string(i));
          return i;
        },
        [&](size_t i, size_t) { consumed.push_back(i); });
  } catch (const std::runtime_error& failure) {
    text = failure.what();
  }
  EXPECT_EQ(text, "item 4");
  EXPECT_EQ(consumed, (std::vector<size_t>{0, 1, 2, 3}));
}

TEST_P(OrderedParallelTest, RethrowsTheConsumersFailureAndStopsProducing) {
  std::atomic<size_t> produced{0};
  EXPECT_THROW(ordered_parallel(
                   1000, GetParam(), [&](size_t i) { return ++produced, i; },
                   [&](size_t i, size_t) {
                     if (i == 3) throw std::logic_error("enough");
                   }),
               std::logic_error);
  EXPECT_LE(produced.load(), size_t{3} + 3 * static_cast<size_t>(GetParam()) + 1);
}

TEST_P(OrderedParallelTest, AtMostTwiceTheThreadsRunAhead) {
  std::atomic<size_t> begun{0};
  std::atomic<size_t> furthest{0};
  ordered_parallel(
      60, GetParam(), [&](size_t i) { return ++begun, i; },
      [&](size_t i, size_t) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        furthest = std::max<size_t>(furthest, begun - i);
      });
  EXPECT_LE(furthest.load(), 2 * static_cast<size_t>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Threads, OrderedParallelTest, testing::Values(1, 2, 5));

TEST(OrderedParallelThreadsTest, TwoItemsAreProducedAtTheSameTime) {
  std::atomic<int> inside{0};
  std::atomic<bool> together{false};
  ordered_parallel(
      2, 2,
      [&](size_t i) {
        ++inside;
        for (int wait = 0; wait < 2000 && !together; ++wait) {
          if (inside == 2) together = true;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return i;
      },
      [](size_t, size_t) {});
  EXPECT_TRUE(together);
}

}  // namespace
}  // namespace muster::datastore
