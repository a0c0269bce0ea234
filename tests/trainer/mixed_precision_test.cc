#include "trainer/mixed_precision.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "common/error.h"
#include "models/layers/autocast.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/trainer/small_networks.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/run_directory.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

TEST(LossScaleTest, IsOneAndStaysOneUnlessProductsAreFloat16) {
  for (const auto precision : {proto::FLOAT32, proto::FLOAT64, proto::MIXED_BFLOAT16}) {
    LossScale scale(precision);
    for (int step = 0; step < 5000; ++step) EXPECT_TRUE(scale.judge(true));
    EXPECT_FALSE(scale.judge(false));
    EXPECT_EQ(scale.value(), 1);
  }
}

TEST(LossScaleTest, HalvesWhenTheGradientIsNotFiniteAndIsAFailureOnlyAtOne) {
  LossScale scale(proto::MIXED_FLOAT16);
  for (double expected = 65536; expected > 1; expected /= 2) {
    EXPECT_EQ(scale.value(), expected);
    EXPECT_TRUE(scale.judge(false));
  }
  EXPECT_EQ(scale.value(), 1);
  EXPECT_FALSE(scale.judge(false));
  EXPECT_EQ(scale.value(), 1);
}

TEST(LossScaleTest, DoublesAfterTwoThousandGoodStepsInARow) {
  LossScale scale(proto::MIXED_FLOAT16);
  for (int step = 0; step < 1999; ++step) EXPECT_TRUE(scale.judge(true));
  EXPECT_EQ(scale.value(), 65536);
  EXPECT_TRUE(scale.judge(false));  // the count begins anew
  for (int step = 0; step < 1999; ++step) EXPECT_TRUE(scale.judge(true));
  EXPECT_EQ(scale.value(), 32768);
  EXPECT_TRUE(scale.judge(true));
  EXPECT_EQ(scale.value(), 65536);
  for (int step = 0; step < 100 * 2000; ++step) EXPECT_TRUE(scale.judge(true));
  EXPECT_EQ(scale.value(), 16777216);  // and no further
}

TEST(LossScaleTest, GoesOnExactlyFromItsState) {
  LossScale whole(proto::MIXED_FLOAT16), first(proto::MIXED_FLOAT16);
  const auto finite = [](int step) { return step % 2713 != 17; };
  for (int step = 0; step < 3000; ++step) {
    whole.judge(finite(step));
    first.judge(finite(step));
  }
  LossScale second(proto::MIXED_FLOAT16);
  second.restore(first.state());
  for (int step = 3000; step < 12000; ++step) {
    whole.judge(finite(step));
    second.judge(finite(step));
    ASSERT_EQ(second.value(), whole.value()) << step;
  }
}

TEST(LossScaleTest, RefusesAStateThatItCannotHaveLeft) {
  LossScale scale(proto::MIXED_FLOAT16), fixed(proto::FLOAT32);
  for (const LossScaleState& state :
       {LossScaleState{3, 0}, {0.5, 0}, {NAN, 0}, {33554432, 0}, {1024, -1}, {1024, 2000}}) {
    EXPECT_THROW(scale.restore(state), common::InputError) << state.scale;
  }
  EXPECT_THROW(fixed.restore({2, 0}), common::InputError);
  scale.restore({1, 1999});
  fixed.restore({1, 0});
}

TEST(MixedPrecisionTest, ProductsRoundWhatGoesInAndGradientsAreFloat32) {
  const at::Tensor weight = models::normal_tensor({5, 7}, 1).to(at::kFloat).requires_grad_();
  const at::Tensor rows = models::normal_tensor({3, 7}, 2).to(at::kFloat);
  at::Tensor product;
  {
    const models::Autocast autocast(at::kCPU, at::kBFloat16);
    product = at::linear(rows, weight);
    EXPECT_EQ(product.scalar_type(), at::kBFloat16);
    const models::FullPrecision within;
    EXPECT_EQ(at::linear(rows, weight).scalar_type(), at::kFloat);
  }
  EXPECT_EQ(at::linear(rows, weight).scalar_type(), at::kFloat);
  const auto rounded = [](const at::Tensor& values) {
    return values.detach().to(at::kBFloat16).to(at::kDouble);
  };
  const at::Tensor expected = at::mm(rounded(rows), rounded(weight).t());
  EXPECT_LE((product.to(at::kDouble) - expected).abs().max().item<double>(),
            expected.abs().max().item<double>() / 256);  // one rounding to 8 bits
  models::in_full_precision(product).sum().backward();
  EXPECT_EQ(weight.grad().scalar_type(), at::kFloat);
}

TEST(MixedPrecisionTest, Float16NeedsAGpu) {
  EXPECT_THROW(require_precision(proto::MIXED_FLOAT16, at::kCPU), common::InputError);
  require_precision(proto::MIXED_FLOAT16, at::kCUDA);
  require_precision(proto::MIXED_BFLOAT16, at::kCPU);
}

// One step of every network of the catalogue, beside the same step in float32.
class MixedStepTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    build_tiny_store(*shared_ / "store", JointWaveDataset(6));
  }
  static void TearDownTestSuite() { shared_.reset(); }

  proto::Experiment experiment_of(const models::ModelEntry& entry) {
    proto::Experiment experiment;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(entry.name + " { }",
                                                              experiment.mutable_model()));
    first_ = smallest_network(entry, *experiment.mutable_model());
    choose_losses(*first_, *experiment.mutable_training());
    experiment.mutable_training()->set_steps(1);
    // What moves is the gradient itself.
    experiment.mutable_training()->mutable_optimizer()->mutable_sgd()->set_momentum(0);
    experiment.mutable_training()->mutable_optimizer()->set_gradient_clamp(0);
    return experiment;
  }

  FinishedRun trained(proto::Experiment experiment, proto::Precision precision) {
    experiment.mutable_training()->set_precision(precision);
    const auto run = directory_ / ("run-" + std::to_string(runs_++));
    train({experiment, "waves", *shared_ / "store", run}, *communicator_, progress_);
    return read_finished_run(run);
  }

  // All parameters' way from their first values.
  at::Tensor movement(const FinishedRun& run) const {
    const auto tensors = models::read_safetensors(run.weights).tensors;
    std::vector<at::Tensor> parts;
    for (const auto& [name, first] : first_->parameters()) {
      EXPECT_EQ(tensors.at(name).scalar_type(), at::kFloat) << name;
      parts.push_back((tensors.at(name) - first.detach()).flatten().to(at::kDouble));
    }
    return at::cat(parts);
  }

  // The same experiment from weights that are rounded to bfloat16 beforehand.
  proto::Experiment with_rounded_weights(const proto::Experiment& experiment) {
    models::NamedTensors rounded;
    for (const auto& [name, value] : models::weights_of(*first_)) {
      rounded.emplace_back(name, value.detach().to(at::kBFloat16).to(at::kFloat));
    }
    const auto file = directory_ / ("rounded-" + std::to_string(runs_) + ".safetensors");
    models::write_safetensors(file, rounded, {});
    proto::Experiment other = experiment;
    other.mutable_training()->add_initialize_from()->set_weights(file.string());
    return other;
  }

  // Small networks with batch norm over few values turn a rounding of their weights alone into
  // another gradient: mixed precision may not do much worse than that.
  void expect_near_float32(const models::ModelEntry& entry) {
    const proto::Experiment experiment = experiment_of(entry);
    const FinishedRun full = trained(experiment, proto::FLOAT32);
    const FinishedRun mixed = trained(experiment, proto::MIXED_BFLOAT16);
    const at::Tensor gradient = movement(full);
    const auto away = [&](const at::Tensor& other) {
      return 1 - (gradient.dot(other) / (gradient.norm() * other.norm())).item<double>();
    };
    const double of_mixed = away(movement(mixed));
    const FinishedRun rounded = trained(with_rounded_weights(experiment), proto::FLOAT32);
    for (auto& [name, value] : first_->parameters()) {
      const at::NoGradGuard no_gradients;
      value.copy_(value.to(at::kBFloat16));
    }
    const double of_weights = away(movement(rounded));
    std::cout << "  " << entry.name << ": loss " << mixed.loss << ", of float32 " << full.loss
              << ", of rounded weights " << rounded.loss << "; 1 - cosine of the gradients "
              << of_mixed << " and " << of_weights << "\n";
    EXPECT_TRUE(std::isfinite(mixed.loss));
    EXPECT_TRUE(movement(mixed).isfinite().all().item<bool>());
    EXPECT_NE(mixed.loss, full.loss);  // something was rounded
    EXPECT_LE(std::abs(mixed.loss - full.loss),
              0.05 * full.loss + 10 * std::abs(rounded.loss - full.loss));
    EXPECT_LE(of_mixed, 0.2 + 10 * of_weights);
  }

  static std::unique_ptr<common::TestDirectory> shared_;
  common::TestDirectory directory_;
  std::unique_ptr<Communicator> communicator_ = create_single_communicator();
  common::RecordingProgress progress_;
  std::unique_ptr<models::Model> first_;
  int runs_ = 0;
};

std::unique_ptr<common::TestDirectory> MixedStepTest::shared_;

TEST_F(MixedStepTest, EveryNetworkTakesOneNearFloat32s) {
  for (const models::ModelEntry& entry : models::model_catalog()) {
    SCOPED_TRACE(entry.name);
    EXPECT_NO_THROW(expect_near_float32(entry));
  }
}

TEST_F(MixedStepTest, Float16OnACpuIsRefusedBeforeAnythingIsWritten) {
  const proto::Experiment experiment = experiment_of(models::model_catalog().front());
  EXPECT_THROW(trained(experiment, proto::MIXED_FLOAT16), common::InputError);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "run-0" / "spec.textproto"));
}

}  // namespace
}  // namespace muster::trainer
