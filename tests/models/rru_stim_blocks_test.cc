// RRU, STIM and the classifier block, each by itself against its specification in plain loops.
#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "models/rru_stim/integration.h"
#include "models/rru_stim/refinement.h"
#include "tests/models/naive_rru_stim.h"
#include "tests/models/support.h"

namespace muster::models::rru_stim_blocks_test {
namespace {

using naive_rru::NaiveWeights;
using proto::RruStim;

constexpr double kTolerance = 1e-10;
constexpr RruStim::Refinement kGates[] = {RruStim::SPATIAL_GATE, RruStim::CHANNEL_GATE,
                                          RruStim::APPEARANCE_GATE, RruStim::ORIGINAL_GATE,
                                          RruStim::FULL_GATE};

NamedTensors parameters_of(const torch::nn::Module& module) {
  NamedTensors named;
  for (const auto& item : module.named_parameters()) named.emplace_back(item.key(), item.value());
  return named;
}

NamedTensors buffers_of(const torch::nn::Module& module) {
  NamedTensors named;
  for (const auto& item : module.named_buffers()) named.emplace_back(item.key(), item.value());
  return named;
}

NaiveWeights weights_of(const torch::nn::Module& module) {
  return naive_rru::naive_weights(parameters_of(module), buffers_of(module));
}

// Float64, values everywhere, running statistics that are not the first ones.
template <typename Module>
std::shared_ptr<Module> randomised(std::shared_ptr<Module> module) {
  module->to(at::kDouble);
  uint64_t key = 100;
  for (const auto& [name, value] : parameters_of(*module)) {
    value.detach().copy_(normal_tensor(value.sizes(), ++key));
  }
  for (const auto& [name, value] : buffers_of(*module)) {
    const at::Tensor values = normal_tensor(value.sizes(), ++key);
    value.copy_(name.find("var") != std::string::npos ? values.abs() + 0.5 : values);
  }
  return module;
}

// Maps of 2x3 places and five channels, gates of four.
std::shared_ptr<Refinement> small_refinement(RruStim::Refinement gate) {
  return randomised(std::make_shared<Refinement>(RefinementSize{5, 4, 2, 3}, gate));
}

std::shared_ptr<SpatialTemporalIntegration> small_integration() {
  return randomised(std::make_shared<SpatialTemporalIntegration>(5, 4));
}

std::shared_ptr<ClassifierBlock> small_classifier(double leak, double dropout = 0) {
  ClassifierBlock::Options options;
  options.features = 5;
  options.hidden = 6;
  options.identities = 3;
  options.leak = leak;
  options.dropout = dropout;
  return randomised(std::make_shared<ClassifierBlock>(options));
}

ForwardContext context_of(bool training, int64_t clips) {
  return training ? training_context(std::vector<uint64_t>(static_cast<size_t>(clips), 1))
                  : evaluation_context();
}

// A rank whose neighbour holds what this one lacks.
class BusyNeighbour : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local + 4; }
  bool alone() const override { return false; }
};

ForwardContext clipless_training() {
  static BusyNeighbour statistics;
  ForwardContext context = training_context({});
  context.statistics = &statistics;
  return context;
}

void expect_same_buffers(const torch::nn::Module& module, const NaiveWeights& naive) {
  for (const auto& [name, value] : buffers_of(module)) {
    EXPECT_LT(largest_difference(value, naive.at(name)), kTolerance) << name;
  }
}

void expect_numeric_gradients(const NamedTensors& variables,
                              const std::function<at::Tensor()>& loss) {
  loss().backward();
  for (const auto& [name, value] : variables) {
    ASSERT_TRUE(value.grad().defined()) << name;
    for (const int64_t index : {int64_t{0}, value.numel() / 2, value.numel() - 1}) {
      const double analytic = value.grad().flatten()[index].item<double>();
      const double numeric =
          numeric_derivative(value.detach(), index, [&] { return loss().item<double>(); });
      EXPECT_NEAR(analytic, numeric, 1e-6 * std::max(1.0, std::abs(numeric))) << name << index;
    }
  }
}

void expect_no_gradients(const torch::nn::Module& module) {
  for (const auto& [name, value] : parameters_of(module)) {
    if (!value.grad().defined()) continue;
    EXPECT_TRUE(same_values(value.grad(), at::zeros_like(value))) << name;
  }
}

class RefinementTest : public testing::TestWithParam<RruStim::Refinement> {};

TEST_P(RefinementTest, EqualsItsEquationsInPlainLoops) {
  for (const bool training : {false, true}) {
    for (const int64_t clips : {1, 3}) {
      const auto refinement = small_refinement(GetParam());
      NaiveWeights weights = weights_of(*refinement);
      const at::Tensor maps = normal_tensor({4, clips, 6, 5}, 7);
      const at::Tensor refined = refinement->forward(maps, context_of(training, clips));
      EXPECT_LT(largest_difference(
                    refined, naive_rru::naive_refinement(weights, GetParam(), maps, training)),
                kTolerance)
          << training << clips;
      expect_same_buffers(*refinement, weights);
    }
  }
}

TEST_P(RefinementTest, LeavesTheFirstFrameAsItIs) {
  const auto refinement = small_refinement(GetParam());
  for (const int64_t frames : {1, 3}) {
    const at::Tensor maps = normal_tensor({frames, 2, 6, 5}, 7);
    EXPECT_TRUE(same_values(refinement->forward(maps, evaluation_context())[0], maps[0]));
    EXPECT_TRUE(same_values(refinement->forward(maps, context_of(true, 2))[0], maps[0]));
  }
}

TEST_P(RefinementTest, LooksOnlyBackwards) {
  const auto refinement = small_refinement(GetParam());
  const at::Tensor maps = normal_tensor({4, 2, 6, 5}, 7);
  const at::Tensor whole = refinement->forward(maps, evaluation_context());
  const at::Tensor start = refinement->forward(maps.narrow(0, 0, 2), evaluation_context());
  EXPECT_LT(largest_difference(whole.narrow(0, 0, 2), start), kTolerance);
}

TEST_P(RefinementTest, GradientEqualsFiniteDifferences) {
  const auto refinement = small_refinement(GetParam());
  const at::Tensor maps = normal_tensor({3, 2, 6, 5}, 7).requires_grad_(true);
  NamedTensors variables = parameters_of(*refinement);
  variables.emplace_back("maps", maps);
  expect_numeric_gradients(variables, [&] {
    return (refinement->forward(maps, context_of(true, 2)) * normal_tensor(maps.sizes(), 9)).sum();
  });
}

TEST_P(RefinementTest, WithoutClipsIsEmptyAndLeavesNoGradient) {
  const auto refinement = small_refinement(GetParam());
  const at::Tensor none = at::zeros({3, 0, 6, 5}, at::TensorOptions(at::kDouble));
  EXPECT_EQ(refinement->forward(none, evaluation_context()).sizes(), none.sizes());
  const at::Tensor refined = refinement->forward(none, clipless_training());
  EXPECT_EQ(refined.sizes(), none.sizes());
  refined.sum().backward();
  expect_no_gradients(*refinement);
}

INSTANTIATE_TEST_SUITE_P(AllGates, RefinementTest, testing::ValuesIn(kGates),
                         [](const auto& gate) { return RruStim::Refinement_Name(gate.param); });

TEST(RefinementSizeTest, HasTheParameterCountOfTheSpecification) {
  const auto count_of = [](RruStim::Refinement gate) {
    int64_t count = 0;
    for (const auto& [name, value] :
         parameters_of(Refinement(RefinementSize{2048, 256, 8, 8}, gate))) {
      count += value.numel();
    }
    return count;
  };
  constexpr int64_t kTransition = 1049088, kSpatial = 16384, kChannel = 524288;
  EXPECT_EQ(count_of(RruStim::FULL_GATE), kTransition + kSpatial + kChannel);
  EXPECT_EQ(count_of(RruStim::ORIGINAL_GATE), kTransition + kSpatial + kChannel);
  EXPECT_EQ(count_of(RruStim::SPATIAL_GATE), kTransition + kSpatial);
  EXPECT_EQ(count_of(RruStim::CHANNEL_GATE), kTransition + kChannel);
  EXPECT_EQ(count_of(RruStim::APPEARANCE_GATE), kTransition - 2048 * 256 + kSpatial + kChannel);
}

TEST(SpatialTemporalIntegrationTest, HasTheParameterCountOfTheSpecification) {
  int64_t count = 0;
  for (const auto& [name, value] : parameters_of(SpatialTemporalIntegration(2048, 256))) {
    count += value.numel();
  }
  EXPECT_EQ(count, 2294784);
}

TEST(SpatialTemporalIntegrationTest, EqualsItsDefinitionInPlainLoops) {
  for (const bool training : {false, true}) {
    for (const int64_t clips : {1, 2}) {
      const auto integration = small_integration();
      NaiveWeights weights = weights_of(*integration);
      const at::Tensor maps = normal_tensor({3, clips, 2, 4, 5}, 7);
      EXPECT_LT(largest_difference(integration->forward(maps, context_of(training, clips)),
                                   naive_rru::naive_integration(weights, maps, training)),
                kTolerance)
          << training << clips;
      expect_same_buffers(*integration, weights);
    }
  }
}

TEST(SpatialTemporalIntegrationTest, GradientEqualsFiniteDifferences) {
  const auto integration = small_integration();
  const at::Tensor maps = normal_tensor({3, 2, 2, 4, 5}, 7).requires_grad_(true);
  NamedTensors variables = parameters_of(*integration);
  variables.emplace_back("maps", maps);
  expect_numeric_gradients(variables, [&] {
    return (integration->forward(maps, context_of(true, 2)) * normal_tensor({2, 4}, 9)).sum();
  });
}

TEST(SpatialTemporalIntegrationTest, WithoutClipsIsEmptyAndLeavesNoGradient) {
  const auto integration = small_integration();
  const at::Tensor none = at::zeros({3, 0, 2, 4, 5}, at::TensorOptions(at::kDouble));
  EXPECT_EQ(integration->forward(none, evaluation_context()).sizes(), (std::vector<int64_t>{0, 4}));
  const at::Tensor features = integration->forward(none, clipless_training());
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{0, 4}));
  features.sum().backward();
  expect_no_gradients(*integration);
}

TEST(ClassifierBlockTest, EqualsItsDefinitionInPlainLoops) {
  for (const double leak : {0.0, 0.1}) {
    for (const bool training : {false, true}) {
      const auto classifier = small_classifier(leak);
      NaiveWeights weights = weights_of(*classifier);
      const at::Tensor features = normal_tensor({4, 5}, 7);
      EXPECT_LT(largest_difference(classifier->forward(features, context_of(training, 4)),
                                   naive_rru::naive_classifier(weights, features, leak, training)),
                kTolerance)
          << leak << training;
      expect_same_buffers(*classifier, weights);
    }
  }
}

TEST(ClassifierBlockTest, JudgesOneClipByItself) {
  const auto classifier = small_classifier(0.1);
  const at::Tensor features = normal_tensor({3, 5}, 7);
  const at::Tensor together = classifier->forward(features, evaluation_context());
  EXPECT_LT(largest_difference(together.narrow(0, 1, 1),
                               classifier->forward(features.narrow(0, 1, 1), evaluation_context())),
            kTolerance);
}

TEST(ClassifierBlockTest, DropoutIsAFunctionOfTheClipKeyInTrainingOnly) {
  const auto classifier = small_classifier(0.1, 0.5);
  const at::Tensor features = normal_tensor({2, 5}, 7);
  const at::Tensor first = classifier->forward(features, training_context({1, 2}));
  EXPECT_TRUE(same_values(first, classifier->forward(features, training_context({1, 2}))));
  EXPECT_FALSE(same_values(first, classifier->forward(features, training_context({3, 4}))));
  const at::Tensor judged = classifier->forward(features, evaluation_context());
  EXPECT_TRUE(same_values(judged, classifier->forward(features, evaluation_context())));
}

TEST(ClassifierBlockTest, GradientEqualsFiniteDifferences) {
  const auto classifier = small_classifier(0.1, 0.5);
  const at::Tensor features = normal_tensor({4, 5}, 7).requires_grad_(true);
  NamedTensors variables = parameters_of(*classifier);
  variables.emplace_back("features", features);
  expect_numeric_gradients(variables, [&] {
    return (classifier->forward(features, training_context({1, 2, 3, 4})) *
            normal_tensor({4, 3}, 9))
        .sum();
  });
}

TEST(ClassifierBlockTest, WithoutClipsIsEmpty) {
  const auto classifier = small_classifier(0.1, 0.5);
  const at::Tensor none = at::zeros({0, 5}, at::TensorOptions(at::kDouble));
  EXPECT_EQ(classifier->forward(none, evaluation_context()).sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(classifier->forward(none, clipless_training()).sizes(), (std::vector<int64_t>{0, 3}));
}

}  // namespace
}  // namespace muster::models::rru_stim_blocks_test
