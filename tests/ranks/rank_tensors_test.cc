#include "trainer/rank_tensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "common/error.h"
#include "tests/models/support.h"
#include "tests/ranks/world.h"

namespace muster::trainer {
namespace {

using models::largest_difference;
using models::normal_tensor;
using models::same_values;

// Rank r holds (r + 1) % 3 rows: with three ranks or more one holds none.
std::vector<int64_t> row_counts() {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < world().size(); ++rank) counts.push_back((rank + 1) % 3);
  return counts;
}

int64_t total_rows() {
  const std::vector<int64_t> counts = row_counts();
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// This rank's rows of a tensor that holds all ranks' rows.
at::Tensor own_rows(const at::Tensor& all) {
  const std::vector<int64_t> counts = row_counts();
  const int64_t first =
      std::accumulate(counts.begin(), counts.begin() + world().rank(), int64_t{0});
  return all.narrow(0, first, counts[static_cast<size_t>(world().rank())]);
}

at::Tensor leaf(const at::Tensor& values) { return values.detach().clone().requires_grad_(); }

at::Tensor weights_of(int rank, at::IntArrayRef shape) {
  return normal_tensor(shape, 50 + static_cast<uint64_t>(rank));
}

TEST(GatherRowsTest, GivesEveryRankAllRowsInRankOrder) {
  const at::Tensor all = normal_tensor({total_rows(), 3}, 1);
  EXPECT_TRUE(same_values(gather_rows(own_rows(all), row_counts(), world()), all));
}

TEST(GatherRowsTest, KeepsFurtherAxes) {
  const at::Tensor all = normal_tensor({total_rows(), 2, 3}, 2, at::kFloat);
  EXPECT_TRUE(same_values(gather_rows(own_rows(all), row_counts(), world()), all));
}

TEST(GatherRowsTest, TakesRowsThatLieApartInMemory) {
  const at::Tensor all = normal_tensor({3, total_rows()}, 3).t();
  EXPECT_TRUE(same_values(gather_rows(own_rows(all), row_counts(), world()), all));
}

// Each rank's loss weighs all rows differently; one process sums these losses.
TEST(GatherRowsTest, BackwardEqualsThatOfOneProcess) {
  const at::Tensor all = normal_tensor({total_rows(), 3}, 4);
  const at::Tensor reference = leaf(all);
  at::Tensor sum = at::zeros({}, at::kDouble);
  for (int rank = 0; rank < world().size(); ++rank) {
    sum = sum + (reference.tanh() * weights_of(rank, {total_rows(), 3})).sum();
  }
  sum.backward();
  const at::Tensor local = leaf(own_rows(all));
  const at::Tensor gathered = gather_rows(local * 2, row_counts(), world());
  ((gathered / 2).tanh() * weights_of(world().rank(), {total_rows(), 3})).sum().backward();
  ASSERT_EQ(local.grad().sizes(), local.sizes());
  EXPECT_EQ((local.grad() - own_rows(reference.grad())).abs().gt(1e-13).sum().item<int64_t>(), 0);
}

TEST(GatherRowsTest, DemandsTheRowsThatWereAnnounced) {
  std::vector<int64_t> counts = row_counts();
  const at::Tensor rows = at::zeros({counts[static_cast<size_t>(world().rank())] + 1, 3});
  EXPECT_THROW(gather_rows(rows, counts, world()), common::RequirementError);
  counts.push_back(1);
  EXPECT_THROW(gather_rows(rows, counts, world()), common::RequirementError);
}

TEST(GatherConstantRowsTest, GathersLabelsWithoutAGraph) {
  const at::Tensor all = at::arange(total_rows(), at::kLong) * 7;
  const at::Tensor gathered = gather_constant_rows(own_rows(all), row_counts(), world());
  EXPECT_TRUE(same_values(gathered, all));
  EXPECT_FALSE(gathered.requires_grad());
}

TEST(StatisticsExchangeTest, SumsOverRanks) {
  CommunicatorStatisticsExchange exchange(world());
  at::Tensor expected = at::zeros({4}, at::kDouble);
  for (int rank = 0; rank < world().size(); ++rank) expected += weights_of(rank, {4});
  EXPECT_LT(largest_difference(exchange.sum(weights_of(world().rank(), {4})), expected), 1e-14);
}

TEST(StatisticsExchangeTest, LeavesItsArgumentAlone) {
  CommunicatorStatisticsExchange exchange(world());
  const at::Tensor local = weights_of(world().rank(), {4});
  exchange.sum(local);
  EXPECT_TRUE(same_values(local, weights_of(world().rank(), {4})));
}

TEST(StatisticsExchangeTest, BackwardSumsTheGradients) {
  CommunicatorStatisticsExchange exchange(world());
  const at::Tensor local = leaf(at::ones({4}, at::kDouble));
  (exchange.sum(local) * weights_of(world().rank(), {4})).sum().backward();
  at::Tensor expected = at::zeros({4}, at::kDouble);
  for (int rank = 0; rank < world().size(); ++rank) expected += weights_of(rank, {4});
  EXPECT_LT(largest_difference(local.grad(), expected), 1e-14);
}

// Rows standardised by mean and variance over all ranks, as batch normalisation does it.
at::Tensor standardised(const at::Tensor& rows, int64_t count,
                        models::StatisticsExchange& exchange) {
  const at::Tensor mean = exchange.sum(rows.sum(0)) / static_cast<double>(count);
  const at::Tensor variance =
      exchange.sum((rows - mean).pow(2).sum(0)) / static_cast<double>(count);
  return (rows - mean) / (variance + 1e-3).sqrt();
}

TEST(StatisticsExchangeTest, SharedBatchStatisticsHaveTheGradientOfOneProcess) {
  const at::Tensor all = normal_tensor({total_rows(), 3}, 5);
  const at::Tensor weights = normal_tensor({total_rows(), 3}, 6);
  models::OwnStatistics one_rank;
  const at::Tensor reference = leaf(all);
  (standardised(reference, total_rows(), one_rank) * weights).sum().backward();
  CommunicatorStatisticsExchange exchange(world());
  const at::Tensor local = leaf(own_rows(all));
  (standardised(local, total_rows(), exchange) * own_rows(weights)).sum().backward();
  EXPECT_EQ((local.grad() - own_rows(reference.grad())).abs().gt(1e-13).sum().item<int64_t>(), 0);
}

TEST(ElementTypeTest, IsThatOfTheTensor) {
  EXPECT_EQ(element_type(at::zeros({1}, at::kFloat)), ElementType::kFloat32);
  EXPECT_EQ(element_type(at::zeros({1}, at::kDouble)), ElementType::kFloat64);
  EXPECT_EQ(element_type(at::zeros({1}, at::kLong)), ElementType::kInt64);
  EXPECT_THROW(element_type(at::zeros({1}, at::kHalf)), common::RequirementError);
}

}  // namespace
}  // namespace muster::trainer
