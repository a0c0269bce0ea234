// What every communicator must do: checks that all ranks run together on one communicator.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "trainer/communicator.h"

namespace muster::trainer {

// A value that differs between ranks and positions; small enough that sums are exact in every type,
// bytes included.
template <typename T>
T contract_value(int rank, int64_t position) {
  return static_cast<T>((rank + 1) * 3 + position % 5);
}

template <typename T>
std::vector<T> contract_values(int rank, int64_t count) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(contract_value<T>(rank, i));
  return values;
}

template <typename T>
std::vector<T> sums_over_ranks(int size, int64_t count) {
  std::vector<T> sums(static_cast<size_t>(count), T{0});
  for (int64_t i = 0; i < count; ++i) {
    for (int rank = 0; rank < size; ++rank) {
      sums[static_cast<size_t>(i)] += contract_value<T>(rank, i);
    }
  }
  return sums;
}

template <typename T>
void check_all_reduce(Communicator& communicator, ElementType type) {
  std::vector<T> values = contract_values<T>(communicator.rank(), 37);
  // A type that is refused is refused on every rank, so that nobody waits for anybody.
  EXPECT_NO_THROW(communicator.all_reduce_sum(values.data(), 37, type)->wait());
  EXPECT_EQ(values, sums_over_ranks<T>(communicator.size(), 37));
}

inline void check_rank_and_size(Communicator& communicator) {
  EXPECT_GE(communicator.rank(), 0);
  EXPECT_LT(communicator.rank(), communicator.size());
  int64_t ranks = communicator.rank(), ones = 1;
  communicator.all_reduce_sum(&ranks, 1, ElementType::kInt64)->wait();
  communicator.all_reduce_sum(&ones, 1, ElementType::kInt64)->wait();
  EXPECT_EQ(ones, communicator.size());
  EXPECT_EQ(ranks, int64_t{communicator.size()} * (communicator.size() - 1) / 2);
}

inline void check_all_reduce_float32(Communicator& communicator) {
  check_all_reduce<float>(communicator, ElementType::kFloat32);
}
inline void check_all_reduce_float64(Communicator& communicator) {
  check_all_reduce<double>(communicator, ElementType::kFloat64);
}
inline void check_all_reduce_int64(Communicator& communicator) {
  check_all_reduce<int64_t>(communicator, ElementType::kInt64);
}
inline void check_all_reduce_byte(Communicator& communicator) {
  check_all_reduce<uint8_t>(communicator, ElementType::kByte);
}

inline void check_all_reduce_of_nothing(Communicator& communicator) {
  double untouched = 1.5;
  communicator.all_reduce_sum(&untouched, 0, ElementType::kFloat64)->wait();
  EXPECT_EQ(untouched, 1.5);
}

// The same addends in the same order: floating-point sums must not change between calls.
inline void check_all_reduce_repeats_bit_for_bit(Communicator& communicator) {
  std::vector<double> first;
  for (int64_t i = 0; i < 1000; ++i) {
    first.push_back(1.0 / static_cast<double>(i * communicator.size() + communicator.rank() + 3));
  }
  std::vector<double> second = first;
  communicator.all_reduce_sum(first.data(), 1000, ElementType::kFloat64)->wait();
  communicator.all_reduce_sum(second.data(), 1000, ElementType::kFloat64)->wait();
  EXPECT_EQ(first, second);
}

inline void check_two_outstanding_reductions(Communicator& communicator) {
  std::vector<double> first = contract_values<double>(communicator.rank(), 5000);
  std::vector<float> second = contract_values<float>(communicator.rank() + 10, 7);
  auto pending_first = communicator.all_reduce_sum(first.data(), 5000, ElementType::kFloat64);
  auto pending_second = communicator.all_reduce_sum(second.data(), 7, ElementType::kFloat32);
  pending_second->wait();
  pending_first->wait();
  EXPECT_EQ(first, sums_over_ranks<double>(communicator.size(), 5000));
  for (int64_t i = 0; i < 7; ++i) {
    float sum = 0;
    for (int rank = 0; rank < communicator.size(); ++rank) {
      sum += contract_value<float>(rank + 10, i);
    }
    EXPECT_EQ(second[static_cast<size_t>(i)], sum);
  }
}

// Large enough for several segments of every rank's piece, and of a length that nothing divides.
template <typename T>
void check_large_all_reduce(Communicator& communicator, ElementType type) {
  constexpr int64_t kCount = 1300037;
  std::vector<T> values = contract_values<T>(communicator.rank(), kCount);
  communicator.all_reduce_sum(values.data(), kCount, type)->wait();
  EXPECT_TRUE(values == sums_over_ranks<T>(communicator.size(), kCount));
}
inline void check_large_all_reduces(Communicator& communicator) {
  check_large_all_reduce<float>(communicator, ElementType::kFloat32);
  check_large_all_reduce<double>(communicator, ElementType::kFloat64);
  check_large_all_reduce<int64_t>(communicator, ElementType::kInt64);
  check_large_all_reduce<uint8_t>(communicator, ElementType::kByte);
}

// Around the sizes where an implementation may change its way: 32 kB and 256 kB, one element off.
inline void check_all_reduces_of_every_size(Communicator& communicator) {
  for (const int64_t elements : {4095, 4096, 4097, 32767, 32768, 32769, 65537, 131073}) {
    std::vector<double> values = contract_values<double>(communicator.rank(), elements);
    communicator.all_reduce_sum(values.data(), elements, ElementType::kFloat64)->wait();
    EXPECT_TRUE(values == sums_over_ranks<double>(communicator.size(), elements)) << elements;
  }
}

// Large and small ones on their way together, waited for in another order.
inline void check_many_outstanding_reductions(Communicator& communicator) {
  std::vector<std::vector<double>> buffers;
  std::vector<std::unique_ptr<PendingOperation>> pending;
  const std::vector<int64_t> counts = {300007, 1, 70000, 5, 300007, 4096};
  for (const int64_t count : counts) {
    buffers.push_back(contract_values<double>(communicator.rank(), count));
  }
  for (std::vector<double>& buffer : buffers) {
    pending.push_back(communicator.all_reduce_sum(
        buffer.data(), static_cast<int64_t>(buffer.size()), ElementType::kFloat64));
  }
  for (const size_t i : {5u, 0u, 3u, 1u, 4u, 2u}) pending[i]->wait();
  for (size_t i = 0; i < counts.size(); ++i) {
    EXPECT_TRUE(buffers[i] == sums_over_ranks<double>(communicator.size(), counts[i])) << i;
  }
}

inline void check_large_all_reduce_repeats_bit_for_bit(Communicator& communicator) {
  std::vector<float> first;
  for (int64_t i = 0; i < 400003; ++i) {
    first.push_back(1.0f / static_cast<float>(i * communicator.size() + communicator.rank() + 3));
  }
  std::vector<float> second = first;
  communicator.all_reduce_sum(first.data(), 400003, ElementType::kFloat32)->wait();
  communicator.all_reduce_sum(second.data(), 400003, ElementType::kFloat32)->wait();
  EXPECT_TRUE(first == second);
}

// Unequal shares: rank r brings (r + 1) % 3 * 2 elements, so rank 2 brings none.
inline std::vector<int64_t> unequal_counts(int size) {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < size; ++rank) counts.push_back((rank + 1) % 3 * 2);
  return counts;
}

template <typename T>
void check_all_gather(Communicator& communicator, const std::vector<int64_t>& counts,
                      ElementType type) {
  std::vector<T> expected;
  for (int rank = 0; rank < communicator.size(); ++rank) {
    const auto part = contract_values<T>(rank, counts[static_cast<size_t>(rank)]);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  const int64_t own = counts[static_cast<size_t>(communicator.rank())];
  const std::vector<T> local = contract_values<T>(communicator.rank(), own);
  std::vector<T> all(expected.size(), T{77});
  communicator.all_gather(local.data(), all.data(), counts, type);
  EXPECT_EQ(all, expected);
}

inline void check_all_gather_of_unequal_counts(Communicator& communicator) {
  const std::vector<int64_t> counts = unequal_counts(communicator.size());
  check_all_gather<float>(communicator, counts, ElementType::kFloat32);
  check_all_gather<double>(communicator, counts, ElementType::kFloat64);
  check_all_gather<int64_t>(communicator, counts, ElementType::kInt64);
  check_all_gather<uint8_t>(communicator, counts, ElementType::kByte);
}

inline void check_all_gather_of_nothing(Communicator& communicator) {
  const std::vector<int64_t> counts(static_cast<size_t>(communicator.size()), 0);
  check_all_gather<double>(communicator, counts, ElementType::kFloat64);
}

template <typename T>
void check_reduce_scatter(Communicator& communicator, const std::vector<int64_t>& counts,
                          ElementType type) {
  const auto total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const auto first =
      std::accumulate(counts.begin(), counts.begin() + communicator.rank(), int64_t{0});
  const auto own = counts[static_cast<size_t>(communicator.rank())];
  const std::vector<T> sums = sums_over_ranks<T>(communicator.size(), total);
  const std::vector<T> expected(sums.begin() + first, sums.begin() + first + own);
  const std::vector<T> all = contract_values<T>(communicator.rank(), total);
  std::vector<T> local(static_cast<size_t>(own), T{77});
  communicator.reduce_scatter_sum(all.data(), local.data(), counts, type);
  EXPECT_EQ(local, expected);
  EXPECT_EQ(all, contract_values<T>(communicator.rank(), total)) << "the input was changed";
}

inline void check_reduce_scatter_of_unequal_counts(Communicator& communicator) {
  const std::vector<int64_t> counts = unequal_counts(communicator.size());
  check_reduce_scatter<float>(communicator, counts, ElementType::kFloat32);
  check_reduce_scatter<double>(communicator, counts, ElementType::kFloat64);
  check_reduce_scatter<int64_t>(communicator, counts, ElementType::kInt64);
}

inline void check_reduce_scatter_undoes_all_gather(Communicator& communicator) {
  const std::vector<int64_t> counts = unequal_counts(communicator.size());
  const int64_t own = counts[static_cast<size_t>(communicator.rank())];
  const std::vector<double> local = contract_values<double>(communicator.rank(), own);
  std::vector<double> all(
      static_cast<size_t>(std::accumulate(counts.begin(), counts.end(), int64_t{0})));
  communicator.all_gather(local.data(), all.data(), counts, ElementType::kFloat64);
  std::vector<double> back(local.size());
  communicator.reduce_scatter_sum(all.data(), back.data(), counts, ElementType::kFloat64);
  for (size_t i = 0; i < local.size(); ++i) EXPECT_EQ(back[i], local[i] * communicator.size());
}

inline void check_broadcast_from_each_root(Communicator& communicator) {
  for (int root = 0; root < communicator.size(); ++root) {
    std::vector<double> numbers = contract_values<double>(communicator.rank(), 9);
    communicator.broadcast(numbers.data(), 9, ElementType::kFloat64, root);
    EXPECT_EQ(numbers, contract_values<double>(root, 9)) << "from rank " << root;
    std::vector<uint8_t> bytes = contract_values<uint8_t>(communicator.rank(), 11);
    communicator.broadcast(bytes.data(), 11, ElementType::kByte, root);
    EXPECT_EQ(bytes, contract_values<uint8_t>(root, 11)) << "from rank " << root;
  }
}

// That nobody leaves early cannot be seen without a clock; that everybody leaves, and that the
// calls around it keep their order, can.
inline void check_barrier_between_calls(Communicator& communicator) {
  for (int round = 0; round < 3; ++round) {
    communicator.barrier();
    int64_t value = round;
    communicator.all_reduce_sum(&value, 1, ElementType::kInt64)->wait();
    EXPECT_EQ(value, int64_t{round} * communicator.size());
  }
}

// Even ranks start the duplicate's operation first, odd ones the original's.
inline void check_duplicate_is_ordered_by_itself(Communicator& communicator) {
  const auto duplicate = communicator.duplicate();
  EXPECT_EQ(duplicate->rank(), communicator.rank());
  EXPECT_EQ(duplicate->size(), communicator.size());
  const int rank = communicator.rank();
  std::vector<double> here = contract_values<double>(rank, 700);
  std::vector<double> there = contract_values<double>(rank + 5, 700);
  Communicator& first = rank % 2 == 0 ? *duplicate : communicator;
  Communicator& second = rank % 2 == 0 ? communicator : *duplicate;
  auto pending_first =
      first.all_reduce_sum(rank % 2 == 0 ? there.data() : here.data(), 700, ElementType::kFloat64);
  auto pending_second =
      second.all_reduce_sum(rank % 2 == 0 ? here.data() : there.data(), 700, ElementType::kFloat64);
  pending_second->wait();
  pending_first->wait();
  EXPECT_EQ(here, sums_over_ranks<double>(communicator.size(), 700));
  for (size_t i = 0; i < there.size(); ++i) EXPECT_EQ(there[i], here[i] + 15 * communicator.size());
}

// As a gradient reducer does: its reductions are started and waited for by another thread, while
// this one goes on with calls that wait.
inline void check_duplicate_serves_another_thread(Communicator& communicator) {
  const auto duplicate = communicator.duplicate();
  std::vector<std::vector<float>> buckets;
  for (int64_t i = 0; i < 6; ++i) {
    buckets.push_back(contract_values<float>(communicator.rank(), 100 + i * 60000));
  }
  std::thread reducer([&] {
    std::vector<std::unique_ptr<PendingOperation>> pending;
    for (std::vector<float>& bucket : buckets) {
      pending.push_back(duplicate->all_reduce_sum(
          bucket.data(), static_cast<int64_t>(bucket.size()), ElementType::kFloat32));
    }
    for (const auto& operation : pending) operation->wait();
  });
  for (int64_t round = 0; round < 50; ++round) {
    double value = contract_value<double>(communicator.rank(), round);
    communicator.all_reduce_sum(&value, 1, ElementType::kFloat64)->wait();
    EXPECT_EQ(value, sums_over_ranks<double>(communicator.size(), round + 1).back());
    if (round % 10 == 0) check_all_gather_of_unequal_counts(communicator);
  }
  reducer.join();
  for (const std::vector<float>& bucket : buckets) {
    EXPECT_TRUE(bucket ==
                sums_over_ranks<float>(communicator.size(), static_cast<int64_t>(bucket.size())));
  }
}

struct CommunicatorCheck {
  std::string name;
  void (*run)(Communicator&);
};

inline std::ostream& operator<<(std::ostream& out, const CommunicatorCheck& check) {
  return out << check.name;
}

inline const std::vector<CommunicatorCheck>& communicator_checks() {
  static const std::vector<CommunicatorCheck> checks = {
      {"RankAndSize", check_rank_and_size},
      {"AllReduceFloat32", check_all_reduce_float32},
      {"AllReduceFloat64", check_all_reduce_float64},
      {"AllReduceInt64", check_all_reduce_int64},
      {"AllReduceByte", check_all_reduce_byte},
      {"AllReduceOfNothing", check_all_reduce_of_nothing},
      {"AllReduceRepeatsBitForBit", check_all_reduce_repeats_bit_for_bit},
      {"LargeAllReduces", check_large_all_reduces},
      {"AllReducesOfEverySize", check_all_reduces_of_every_size},
      {"ManyOutstandingReductions", check_many_outstanding_reductions},
      {"LargeAllReduceRepeatsBitForBit", check_large_all_reduce_repeats_bit_for_bit},
      {"DuplicateServesAnotherThread", check_duplicate_serves_another_thread},
      {"TwoOutstandingReductions", check_two_outstanding_reductions},
      {"AllGatherOfUnequalCounts", check_all_gather_of_unequal_counts},
      {"AllGatherOfNothing", check_all_gather_of_nothing},
      {"ReduceScatterOfUnequalCounts", check_reduce_scatter_of_unequal_counts},
      {"ReduceScatterUndoesAllGather", check_reduce_scatter_undoes_all_gather},
      {"BroadcastFromEachRoot", check_broadcast_from_each_root},
      {"BarrierBetweenCalls", check_barrier_between_calls},
      {"DuplicateIsOrderedByItself", check_duplicate_is_ordered_by_itself},
  };
  return checks;
}

}  // namespace muster::trainer
