// Every loss is the same on any number of ranks, gradients included, and what goes wrong across
// ranks is noticed.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/models/support.h"
#include "tests/ranks/small_training.h"
#include "tests/ranks/world.h"
#include "tests/trainer/naive_gradient_sum.h"
#include "tests/trainer/small_pair_model.h"
#include "trainer/element_bytes.h"
#include "trainer/loss_terms.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

// As pairs: one person, two, two. As triplets: (0, 0, 1) and (2, 2, 0). Identity 1 is alone.
const std::vector<int64_t> kIdentities = {0, 0, 1, 2, 2, 0};
constexpr double kLossBound = 1e-9;

proto::Loss loss_named(const std::string& name) {
  proto::Loss loss;
  if (name == "identity") loss.mutable_identity()->set_auxiliary_weight(0.25);
  if (name == "video_triplet") loss.mutable_video_triplet()->set_margin(3);
  if (name == "normalised_triplet") {
    loss.mutable_video_triplet()->set_margin(3);
    loss.mutable_video_triplet()->set_normalise(true);
  }
  if (name == "part_triplet") loss.mutable_part_triplet()->set_margin(3);
  if (name == "verification") loss.mutable_verification()->set_margin(9);
  if (name == "attentive_triplet") {
    loss.mutable_attentive_triplet()->set_global_margin(9);
    loss.mutable_attentive_triplet()->set_part_margin(9);
  }
  if (name == "pair") loss.mutable_pair();
  if (name == "heat_map") loss.mutable_heat_map();
  return loss;
}

models::ModelOutput outputs_of_all() {
  models::ModelOutput output;
  output.signature["features"] = models::normal_tensor({6, 4}, 1);
  output.signature["maps"] = models::normal_tensor({6, 3}, 2);
  output.signature["global"] = models::normal_tensor({6, 5}, 3);
  output.signature["parts"] = models::normal_tensor({6, 2, 4}, 4);
  output.signature["attention"] = models::normal_tensor({6, 2}, 5).abs() + 0.1;
  output.signature["heat_maps"] = models::normal_tensor({6, 1, 2, 4, 3}, 8);
  // Ranks differ in how many joints are known.
  output.targets.joints = models::normal_tensor({6, 1, 2, 3}, 9);
  output.targets.deviation = 1.5;
  output.logits["identity"] = models::normal_tensor({6, 3}, 6);
  output.logits["parts"] = models::normal_tensor({6, 2, 3}, 7);
  return output;
}

// Unequal shares in which pairs and triplets straddle two ranks; of three ranks one has nothing.
std::vector<int64_t> unequal_shares(int ranks) {
  const std::vector<std::vector<int64_t>> shares = {{6}, {5, 1}, {1, 0, 5}, {2, 1, 0, 3}};
  return shares.at(static_cast<size_t>(ranks - 1));
}

std::vector<int64_t> all_on_the_last(int ranks) {
  std::vector<int64_t> shares(static_cast<size_t>(ranks), 0);
  shares.back() = 6;
  return shares;
}

// What leaves a step: the total, and all gradients in a row (rows of all ranks, then the weight).
struct LossResult {
  double total = 0;
  at::Tensor gradients;
};

// The gradients travel through `world()` whatever is wrong with `communicator`.
LossResult loss_result(const proto::Loss& settings, const std::vector<int64_t>& counts,
                       Communicator& communicator, Communicator& sound) {
  const int64_t first =
      std::accumulate(counts.begin(), counts.begin() + communicator.rank(), int64_t{0});
  const int64_t own = counts[static_cast<size_t>(communicator.rank())];
  models::ModelOutput output = outputs_of_all();
  models::ForwardContext context;
  context.training = true;
  for (int64_t row = first; row < first + own; ++row) {
    context.clip_keys.push_back(common::combined_key({7, static_cast<uint64_t>(row)}));
  }
  const auto cut = [&](at::Tensor& all) {
    all = all.narrow(0, first, own).clone().requires_grad_();
  };
  for (auto& [name, value] : output.signature) cut(value);
  for (auto& [name, value] : output.logits) cut(value);
  output.targets.joints = output.targets.joints.narrow(0, first, own);
  SmallPairModel model;
  const at::Tensor labels = models::label_tensor_of(kIdentities).narrow(0, first, own);
  const StepLosses losses =
      step_losses(settings, output, labels, counts, communicator, {&model, &context});
  losses.local_total.backward();
  sum_gradients(model.parameters(), sound);
  LossResult result;
  result.total = losses.total;
  std::vector<at::Tensor> gradients;
  const auto keep = [&](const at::Tensor& value) {
    const at::Tensor gradient = value.grad().defined() ? value.grad() : at::zeros_like(value);
    gradients.push_back(gather_constant_rows(gradient.detach(), counts, sound).flatten());
  };
  for (const auto& [name, value] : output.signature) keep(value);
  for (const auto& [name, value] : output.logits) keep(value);
  const at::Tensor weight = model.parameters()[0].second;
  if (weight.grad().defined()) gradients.push_back(weight.grad().flatten());
  result.gradients = at::cat(gradients);
  return result;
}

LossResult loss_alone(const proto::Loss& settings) {
  const auto alone = create_single_communicator();
  return loss_result(settings, {6}, *alone, *alone);
}

double largest_share(const LossResult& together, const LossResult& alone) {
  const at::Tensor padding = together.gradients.narrow(0, 0, alone.gradients.size(0));
  return relative_difference(padding, alone.gradients);
}

class LossAcrossRanksTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Losses, LossAcrossRanksTest,
                         testing::Values("identity", "video_triplet", "normalised_triplet",
                                         "part_triplet", "verification", "attentive_triplet",
                                         "pair", "heat_map"),
                         [](const auto& test) { return test.param; });

TEST_P(LossAcrossRanksTest, EqualsThatOfOneProcess) {
  const proto::Loss settings = loss_named(GetParam());
  const LossResult alone = loss_alone(settings);
  EXPECT_GT(alone.total, 0);
  for (const auto& counts : {unequal_shares(world().size()), all_on_the_last(world().size())}) {
    const LossResult together = loss_result(settings, counts, world(), world());
    EXPECT_NEAR(together.total, alone.total, kLossBound * alone.total);
    EXPECT_LE(largest_share(together, alone), kLossBound);
  }
}

// Ranks that keep to themselves in one respect.
class FaultyCommunicator : public Communicator {
 public:
  enum class Fault { kGradientsStay, kOwnCounts };
  explicit FaultyCommunicator(Fault fault) : fault_(fault) {}
  int rank() const override { return world().rank(); }
  int size() const override { return world().size(); }
  std::unique_ptr<PendingOperation> all_reduce_sum(void* buffer, int64_t count,
                                                   ElementType type) override {
    if (fault_ != Fault::kOwnCounts) return world().all_reduce_sum(buffer, count, type);
    return create_single_communicator()->all_reduce_sum(buffer, count, type);
  }
  void all_gather(const void* local, void* all, const std::vector<int64_t>& counts,
                  ElementType type) override {
    world().all_gather(local, all, counts, type);
  }
  void reduce_scatter_sum(const void* all, void* local, const std::vector<int64_t>& counts,
                          ElementType type) override {
    if (fault_ != Fault::kGradientsStay) {
      return world().reduce_scatter_sum(all, local, counts, type);
    }
    const int64_t first = std::accumulate(counts.begin(), counts.begin() + rank(), int64_t{0});
    const size_t bytes = element_bytes(type);
    std::memcpy(local, static_cast<const char*>(all) + static_cast<size_t>(first) * bytes,
                static_cast<size_t>(counts[static_cast<size_t>(rank())]) * bytes);
  }
  void broadcast(void* buffer, int64_t count, ElementType type, int root) override {
    world().broadcast(buffer, count, type, root);
  }
  void barrier() override { world().barrier(); }
  std::unique_ptr<Communicator> duplicate() override { return world().duplicate(); }
  [[noreturn]] void abort(int exit_code) override {
    world().abort(exit_code);
    std::terminate();
  }

 private:
  const Fault fault_;
};

void expect_fault_seen(const std::string& loss, const std::vector<int64_t>& counts,
                       FaultyCommunicator::Fault fault) {
  const proto::Loss settings = loss_named(loss);
  FaultyCommunicator faulty(fault);
  const LossResult together = loss_result(settings, counts, faulty, world());
  if (world().size() == 1) return;
  EXPECT_GT(largest_share(together, loss_alone(settings)), 1e-3);
}

TEST_P(LossAcrossRanksTest, GradientsThatStayOnTheirRankAreDetected) {
  const std::vector<int64_t> counts = unequal_shares(world().size());
  const auto fault = FaultyCommunicator::Fault::kGradientsStay;
  if (GetParam() != "identity" && GetParam() != "heat_map") {
    return expect_fault_seen(GetParam(), counts, fault);
  }
  // These look at no clips of other ranks: no gradient has a way to go.
  const proto::Loss settings = loss_named(GetParam());
  FaultyCommunicator faulty(fault);
  EXPECT_LE(largest_share(loss_result(settings, counts, faulty, world()), loss_alone(settings)),
            kLossBound);
}

TEST_P(LossAcrossRanksTest, MeansOverOwnTermsAreDetected) {
  // Of two ranks with five clips and one, the first owns every pair and triplet.
  const std::vector<int64_t> counts =
      world().size() == 2 ? std::vector<int64_t>{3, 3} : unequal_shares(world().size());
  expect_fault_seen(GetParam(), counts, FaultyCommunicator::Fault::kOwnCounts);
}

}  // namespace
}  // namespace muster::trainer
