// Mixed precision is the same training on any number of ranks: the gradient differs between them by
// far less than it does from that of float32, whatever is rounded on the way.
#include "trainer/mixed_precision.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <numeric>

#include "common/error.h"
#include "models/model_catalog.h"
#include "tests/models/support.h"
#include "tests/ranks/small_training.h"
#include "tests/ranks/world.h"
#include "trainer/micro_batches.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

constexpr int64_t kMixedFrames = 3;
const std::vector<int64_t> kMixedIdentities = {0, 0, 1, 2, 2, 0};

struct MixedCase {
  std::string name, model, loss;
};

const std::vector<MixedCase> kMixedCases = {
    {"Stsrn", "stsrn { width: 0.25 features: 16 dropout: 0.6 }",
     "identity {} video_triplet { margin: 1 weight: 0.5 }"},
    {"CnnRnn", "cnn_rnn { width: 0.25 features: 16 dropout: 0.6 }",
     "identity {} verification { margin: 3 }"},
    {"TamSrm",
     "tam_srm { width: 0.0625 input_size: 67 frames: 3 feature_size: 8 attention_size: 8 "
     "recurrent_size: 8 metric_channels: 8 metric_hidden: 8 dropout: 0.4 }",
     "video_triplet { margin: 0.3 normalise: true } pair {}"},
};

// As many clips as there are, unequally, one of three or four ranks without any.
std::vector<int64_t> shares_of(int ranks) {
  const std::vector<std::vector<int64_t>> shares = {{6}, {5, 1}, {1, 0, 5}, {2, 1, 0, 3}};
  return shares.at(static_cast<size_t>(ranks - 1));
}

struct MixedStep {
  at::Tensor gradient;  // float64, all parameters in a row, summed over ranks
  double total = 0;
};

MixedStep mixed_step(const MixedCase& chosen, Communicator& communicator, at::ScalarType products,
                     const StepHooks& hooks = {}, int64_t micro_batch_clips = 0) {
  proto::Model options;
  proto::Loss loss;
  MUSTER_REQUIRE(google::protobuf::TextFormat::ParseFromString(chosen.model, &options), ==, true);
  MUSTER_REQUIRE(google::protobuf::TextFormat::ParseFromString(chosen.loss, &loss), ==, true);
  const auto model = models::model_entry(options).create(options, 3, 1);
  const std::vector<int64_t> counts = shares_of(communicator.size());
  const auto rank = static_cast<size_t>(communicator.rank());
  const int64_t first = std::accumulate(counts.begin(), counts.begin() + rank, int64_t{0});
  const models::InputFormat format = model->input_format();
  const auto noise = [&](int64_t channels, uint64_t seed) {
    return models::normal_tensor({6, kMixedFrames, channels, format.crop_height, format.crop_width},
                                 seed)
        .to(at::kFloat)
        .narrow(0, first, counts[rank]);
  };
  models::ModelInput input;
  input.clips = noise(3, 1);
  if (format.flow) input.flow = noise(2, 2);
  const at::Tensor labels =
      models::label_tensor_of(kMixedIdentities).narrow(0, first, counts[rank]);
  CommunicatorStatisticsExchange statistics(communicator);
  models::ForwardContext context;
  context.training = true;
  context.statistics = &statistics;
  for (int64_t clip = first; clip < first + counts[rank]; ++clip) {
    context.clip_keys.push_back(common::combined_key({5, static_cast<uint64_t>(clip)}));
  }
  const StepPasses passes =
      run_forward_backward(*model, loss, {input, labels, context, counts, products}, communicator,
                           micro_batch_clips, hooks);
  std::vector<at::Tensor> parts;
  for (const auto& [name, value] : model->parameters()) {
    at::Tensor part = value.grad().defined() ? value.grad().detach() : at::zeros_like(value);
    EXPECT_EQ(part.scalar_type(), at::kFloat) << name;
    parts.push_back(part.flatten().to(at::kDouble));
  }
  MixedStep step;
  step.gradient = at::cat(parts);
  communicator
      .all_reduce_sum(step.gradient.data_ptr(), step.gradient.numel(), ElementType::kFloat64)
      ->wait();
  step.total = passes.losses.total;
  return step;
}

TEST(MixedPrecisionRanksTest, TheGradientIsNearThatOfOneProcess) {
  for (const MixedCase& chosen : kMixedCases) {
    SCOPED_TRACE(chosen.name);
    const auto alone = create_single_communicator();
    const MixedStep full = mixed_step(chosen, *alone, at::kFloat);
    const MixedStep one = mixed_step(chosen, *alone, at::kBFloat16);
    const MixedStep together = mixed_step(chosen, world(), at::kBFloat16);
    const double rounding = relative_difference(one.gradient, full.gradient);
    const double ranks = relative_difference(together.gradient, one.gradient);
    if (world().rank() == 0) {
      std::cout << "  " << chosen.name << ": " << ranks << " between rank counts, " << rounding
                << " from float32\n";
    }
    EXPECT_GT(rounding, 1e-4);  // something was rounded
    EXPECT_LE(rounding, 0.2);
    EXPECT_LE(ranks, 0.5 * rounding);
    EXPECT_NEAR(together.total, one.total, 0.02 * one.total);
  }
}

// A power of two that is divided out again leaves the same bits: nothing underflows in bfloat16.
TEST(MixedPrecisionRanksTest, TheScaleOfTheLossIsThatOfTheGradient) {
  StepHooks scaled;
  scaled.loss_scale = 1024;
  for (const int64_t micro_batch_clips : {0, 2}) {
    const MixedCase& chosen = kMixedCases.front();
    const MixedStep plain = mixed_step(chosen, world(), at::kBFloat16, {}, micro_batch_clips);
    const MixedStep other = mixed_step(chosen, world(), at::kBFloat16, scaled, micro_batch_clips);
    EXPECT_EQ(other.total, plain.total);
    EXPECT_TRUE(models::same_values(other.gradient / 1024, plain.gradient));
  }
}

TEST(MixedPrecisionRanksTest, MicroBatchesRoundAsTheWholeBatchDoes) {
  const MixedCase& chosen = kMixedCases.front();
  const MixedStep full = mixed_step(chosen, world(), at::kFloat);
  const MixedStep whole = mixed_step(chosen, world(), at::kBFloat16);
  const MixedStep parts = mixed_step(chosen, world(), at::kBFloat16, {}, 2);
  EXPECT_LE(relative_difference(parts.gradient, whole.gradient),
            0.5 * relative_difference(whole.gradient, full.gradient));
}

}  // namespace
}  // namespace muster::trainer
