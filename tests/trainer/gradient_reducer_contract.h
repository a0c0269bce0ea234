// What the reducer must do on any communicator: checks that all ranks run together, against plain
// sums after backward.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/models/support.h"
#include "tests/trainer/naive_gradient_sum.h"
#include "trainer/gradient_reducer.h"

namespace muster::trainer {

// Layers 0 to 4 are one small matrix each; layer 5 is two large ones.
constexpr size_t kChainParameters = 7;
constexpr int64_t kChainWidth = 4, kLargeWidth = 300;

inline models::NamedTensors chain_parameters() {
  models::NamedTensors parameters;
  for (uint64_t i = 0; i < kChainParameters; ++i) {
    const int64_t rows = i == 6 ? kLargeWidth : kChainWidth;
    const int64_t columns = i == 5 ? kLargeWidth : kChainWidth;
    const at::Tensor value = models::normal_tensor({rows, columns}, 100 + i) * 0.5;
    parameters.emplace_back("layer" + std::to_string(i), value.requires_grad_());
  }
  return parameters;
}

using LayersOfRank = std::function<std::vector<size_t>(int rank)>;

// This rank's loss in this step: its own clips, through its layers in its order. The gather in the
// middle makes every backward pass a collective call of its own, at another moment on each rank.
inline at::Tensor chain_loss(const models::NamedTensors& parameters,
                             const std::vector<size_t>& layers, uint64_t step,
                             Communicator& communicator) {
  const auto rank = static_cast<uint64_t>(communicator.rank());
  const std::vector<int64_t> counts(static_cast<size_t>(communicator.size()), 2);
  at::Tensor values = models::normal_tensor({2, kChainWidth}, 1000 * step + rank);
  const auto gather = [&] {
    values = gather_rows(values, counts, communicator).narrow(0, 2 * communicator.rank(), 2);
  };
  values.requires_grad_();
  for (size_t i = 0; i < layers.size(); ++i) {
    if (i == (rank + step) % 3) gather();
    const auto use = [&](size_t parameter) {
      values = at::mm(values, parameters[parameter].second);
    };
    use(layers[i]);
    if (layers[i] == 5) use(6);
    values = values.tanh() + 0.1;
    values.register_hook([rank, step, i](const at::Tensor& gradient) {
      std::this_thread::sleep_for(std::chrono::milliseconds((rank * 3 + step + i) % 4));
      return gradient;
    });
  }
  if (layers.size() <= (rank + step) % 3) gather();
  return (values * models::normal_tensor({2, kChainWidth}, 7 + rank)).sum();
}

inline void descend(const models::NamedTensors& parameters, double rate) {
  const at::NoGradGuard constants;
  for (const auto& [name, value] : parameters) value.sub_(value.grad() * rate);
}

inline void expect_same_gradients(const models::NamedTensors& reduced,
                                  const models::NamedTensors& plain, double bound = 1e-12) {
  for (size_t i = 0; i < plain.size(); ++i) {
    const at::Tensor &sum = reduced[i].second.grad(), &expected = plain[i].second.grad();
    ASSERT_TRUE(sum.defined()) << plain[i].first;
    EXPECT_LE(models::largest_difference(sum, expected),
              bound * (1 + expected.abs().max().item<double>()))
        << plain[i].first;
  }
}

// Three steps of descent by both ways.
inline void expect_plain_sums(Communicator& communicator, const LayersOfRank& layers_of,
                              const ReducerOptions& options) {
  const models::NamedTensors parameters = chain_parameters(), plain = chain_parameters();
  const std::vector<size_t> layers = layers_of(communicator.rank());
  GradientReducer reducer(parameters, communicator, options);
  for (uint64_t step = 1; step <= 3; ++step) {
    reducer.begin_step();
    chain_loss(parameters, layers, step, communicator).backward();
    reducer.finish();
    for (const auto& [name, value] : plain) value.mutable_grad().reset();
    chain_loss(plain, layers, step, communicator).backward();
    sum_gradients(plain, communicator);
    expect_same_gradients(parameters, plain);
    descend(parameters, 0.1);
    descend(plain, 0.1);
  }
}

inline std::vector<size_t> all_layers(int /*rank*/) { return {0, 1, 2, 3, 4, 5}; }

// Another layer comes last, and so first in backward, on each rank.
inline std::vector<size_t> layers_in_an_order_of_its_own(int rank) {
  std::vector<size_t> layers = all_layers(rank);
  std::rotate(layers.begin(), layers.begin() + rank % 6, layers.end());
  if (rank % 2 == 1) std::reverse(layers.begin(), layers.end());
  return layers;
}

inline ReducerOptions buckets_of(int64_t bytes, bool overlap = true) {
  ReducerOptions options;
  options.bucket_bytes = bytes;
  options.overlap = overlap;
  return options;
}

// A small matrix takes 128 bytes, a large one 9600.
inline void check_each_parameter_alone(Communicator& communicator) {
  expect_plain_sums(communicator, all_layers, buckets_of(1));
}
inline void check_a_few_parameters_together(Communicator& communicator) {
  expect_plain_sums(communicator, all_layers, buckets_of(300));
}
inline void check_all_parameters_together(Communicator& communicator) {
  expect_plain_sums(communicator, all_layers, buckets_of(1 << 20));
}
inline void check_without_overlap(Communicator& communicator) {
  expect_plain_sums(communicator, all_layers, buckets_of(300, false));
}
inline void check_ready_in_another_order_on_each_rank(Communicator& communicator) {
  expect_plain_sums(communicator, layers_in_an_order_of_its_own, buckets_of(1));
  expect_plain_sums(communicator, layers_in_an_order_of_its_own, buckets_of(300));
}

inline void check_ranks_use_different_parameters(Communicator& communicator) {
  const auto layers = [](int rank) {
    return rank % 2 == 0 ? std::vector<size_t>{4, 0, 2} : std::vector<size_t>{5, 2};
  };
  expect_plain_sums(communicator, layers, buckets_of(1));
  expect_plain_sums(communicator, layers, buckets_of(300));
}

// Also rank 0, whose order the others would follow.
inline void check_ranks_that_use_nothing(Communicator& communicator) {
  const auto layers = [](int rank) {
    return rank % 2 == 0 ? std::vector<size_t>{} : std::vector<size_t>{1, 5, 0};
  };
  expect_plain_sums(communicator, layers, buckets_of(300));
}

// A rank may skip backward altogether.
inline void check_ranks_without_backward(Communicator& communicator) {
  const at::Tensor weight = at::ones({3}, at::kDouble).requires_grad_();
  GradientReducer reducer({{"weight", weight}}, communicator, {});
  for (int step = 1; step <= 2; ++step) {
    reducer.begin_step();
    if (communicator.rank() % 2 == 1) (weight * step).sum().backward();
    reducer.finish();
    const auto sum = static_cast<double>(communicator.size() / 2) * step;
    EXPECT_TRUE(models::same_values(weight.grad(), at::full({3}, sum, at::kDouble)));
  }
}

inline void check_passes_add_up(Communicator& communicator) {
  const models::NamedTensors parameters = chain_parameters(), plain = chain_parameters();
  GradientReducer reducer(parameters, communicator, buckets_of(300));
  reducer.begin_step(true);
  chain_loss(parameters, {0, 1, 5}, 1, communicator).backward();
  reducer.last_pass();
  chain_loss(parameters, {4, 1}, 2, communicator).backward();
  reducer.finish();
  chain_loss(plain, {0, 1, 5}, 1, communicator).backward();
  chain_loss(plain, {4, 1}, 2, communicator).backward();
  sum_gradients(plain, communicator);
  expect_same_gradients(parameters, plain);
}

inline void check_order_of_rank_0_is_learned(Communicator& communicator) {
  const models::NamedTensors parameters = chain_parameters();
  GradientReducer reducer(parameters, communicator, buckets_of(1));
  EXPECT_TRUE(reducer.order().empty()) << "nothing is learnt yet";
  // Rank 1 alone uses layer 3; nobody 2 and 4.
  std::vector<size_t> layers = {1, 5, 0};
  if (communicator.rank() == 1) layers = {0, 3, 1, 5};
  reducer.begin_step();
  chain_loss(parameters, layers, 1, communicator).backward();
  reducer.finish();
  const std::vector<int64_t> used_by_1 = {0, 6, 5, 1, 3, 4, 2}, by_0_alone = {0, 6, 5, 1, 4, 3, 2};
  EXPECT_EQ(reducer.order(), communicator.size() > 1 ? used_by_1 : by_0_alone);
  ReducerOptions continued = buckets_of(1);
  continued.order = reducer.order();
  EXPECT_EQ(GradientReducer(parameters, communicator, continued).order(), continued.order);
}

inline void check_every_rank_has_the_same_bits(Communicator& communicator) {
  for (const bool bfloat16 : {false, true}) {
    const at::Tensor weight = at::ones({1001}, at::kFloat).requires_grad_();
    ReducerOptions options;
    options.bfloat16_on_wire = bfloat16;
    GradientReducer reducer({{"weight", weight}}, communicator, options);
    reducer.begin_step();
    const auto key = static_cast<uint64_t>(communicator.rank());
    (weight * models::normal_tensor({1001}, key, at::kFloat)).sum().backward();
    reducer.finish();
    at::Tensor of_rank_0 = weight.grad().clone();
    communicator.broadcast(of_rank_0.data_ptr(), 1001, ElementType::kFloat32, 0);
    EXPECT_TRUE(models::same_values(weight.grad(), of_rank_0));
    at::Tensor expected = at::zeros({1001}, at::kDouble);
    for (int rank = 0; rank < communicator.size(); ++rank) {
      at::Tensor own = models::normal_tensor({1001}, static_cast<uint64_t>(rank), at::kFloat);
      if (bfloat16) own = own.to(at::kBFloat16);
      expected += own.to(at::kDouble);
    }
    EXPECT_LE(models::largest_difference(weight.grad(), expected), 1e-6);
  }
}

struct ReducerCheck {
  std::string name;
  void (*run)(Communicator&);
};

inline const std::vector<ReducerCheck>& reducer_checks() {
  static const std::vector<ReducerCheck> checks = {
      {"EachParameterAlone", check_each_parameter_alone},
      {"AFewParametersTogether", check_a_few_parameters_together},
      {"AllParametersTogether", check_all_parameters_together},
      {"WithoutOverlap", check_without_overlap},
      {"ReadyInAnotherOrderOnEachRank", check_ready_in_another_order_on_each_rank},
      {"RanksUseDifferentParameters", check_ranks_use_different_parameters},
      {"RanksThatUseNothing", check_ranks_that_use_nothing},
      {"RanksWithoutBackward", check_ranks_without_backward},
      {"PassesAddUp", check_passes_add_up},
      {"OrderOfRank0IsLearned", check_order_of_rank_0_is_learned},
      {"EveryRankHasTheSameBits", check_every_rank_has_the_same_bits},
  };
  return checks;
}

}  // namespace muster::trainer
