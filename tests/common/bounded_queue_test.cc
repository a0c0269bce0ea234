#include "common/bounded_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace muster::common {
namespace {

using std::chrono::milliseconds;

// Long enough that a thread that does not wait has come through.
constexpr milliseconds kAWhile{50};

TEST(BoundedQueueTest, HandsItemsOnInTheirOrder) {
  BoundedQueue<int> queue(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.push(i));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.pop(), i);
}

TEST(BoundedQueueTest, CountsWhatItHolds) {
  BoundedQueue<int> queue(3);
  queue.push(1);
  queue.push(2);
  EXPECT_EQ(queue.size(), 2u);
  queue.pop();
  EXPECT_EQ(queue.size(), 1u);
}

TEST(BoundedQueueTest, TakesItemsThatCannotBeCopied) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  queue.push(std::make_unique<int>(5));
  EXPECT_EQ(**queue.pop(), 5);
}

TEST(BoundedQueueTest, PushWaitsForRoom) {
  BoundedQueue<int> queue(1);
  queue.push(1);
  auto pushed = std::async(std::launch::async, [&] { return queue.push(2); });
  EXPECT_EQ(pushed.wait_for(kAWhile), std::future_status::timeout);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(pushed.get());
  EXPECT_EQ(queue.pop(), 2);
}

TEST(BoundedQueueTest, PopWaitsForAnItem) {
  BoundedQueue<int> queue(1);
  auto popped = std::async(std::launch::async, [&] { return queue.pop(); });
  EXPECT_EQ(popped.wait_for(kAWhile), std::future_status::timeout);
  queue.push(9);
  EXPECT_EQ(popped.get(), 9);
}

TEST(BoundedQueueCloseTest, RefusesFurtherItems) {
  BoundedQueue<int> queue(2);
  queue.close();
  EXPECT_FALSE(queue.push(1));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(BoundedQueueCloseTest, WhatIsQueuedCanStillBePopped) {
  BoundedQueue<int> queue(2);
  queue.push(1);
  queue.push(2);
  queue.close();
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueueCloseTest, WakesEveryWaitingConsumer) {
  BoundedQueue<int> queue(1);
  std::vector<std::future<std::optional<int>>> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.push_back(std::async(std::launch::async, [&] { return queue.pop(); }));
  }
  std::this_thread::sleep_for(kAWhile);
  queue.close();
  for (auto& consumer : consumers) EXPECT_EQ(consumer.get(), std::nullopt);
}

TEST(BoundedQueueCloseTest, WakesEveryWaitingProducerAndDropsItsItem) {
  BoundedQueue<int> queue(1);
  queue.push(1);
  std::vector<std::future<bool>> producers;
  for (int i = 0; i < 3; ++i) {
    producers.push_back(std::async(std::launch::async, [&] { return queue.push(2); }));
  }
  std::this_thread::sleep_for(kAWhile);
  queue.close();
  for (auto& producer : producers) EXPECT_FALSE(producer.get());
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueueCloseTest, TwiceIsTheSameAsOnce) {
  BoundedQueue<int> queue(1);
  queue.push(4);
  queue.close();
  queue.close();
  EXPECT_EQ(queue.pop(), 4);
}

TEST(BoundedQueueTest, ManyThreadsPassEveryItemOnExactlyOnce) {
  constexpr int kProducers = 3, kConsumers = 3, kItems = 1000;
  BoundedQueue<int> queue(4);
  std::vector<std::thread> producers, consumers;
  std::vector<std::vector<int>> taken(kConsumers);
  std::atomic<bool> overfull{false};
  for (int c = 0; c < kConsumers; ++c) {
    consumers.emplace_back([&, c] {
      while (const std::optional<int> item = queue.pop()) {
        if (queue.size() > 4) overfull = true;
        taken[static_cast<size_t>(c)].push_back(*item);
      }
    });
  }
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < kItems; ++i) queue.push(p * kItems + i);
    });
  }
  for (std::thread& producer : producers) producer.join();
  queue.close();
  for (std::thread& consumer : consumers) consumer.join();
  std::vector<int> all;
  for (const auto& part : taken) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  std::vector<int> expected(kProducers * kItems);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
  EXPECT_FALSE(overfull);
}

}  // namespace
}  // namespace muster::common
