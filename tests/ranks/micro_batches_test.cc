// The gradient of micro-batches is that of the whole batch, on any number of ranks.
#include "trainer/micro_batches.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <numeric>

#include "common/error.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "tests/ranks/small_training.h"
#include "tests/ranks/world.h"
#include "tests/trainer/naive_gradient_sum.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

constexpr int64_t kFrames = 3;
// As pairs: one person, two, two. As triplets: (0, 0, 1) and (2, 2, 0).
const std::vector<int64_t> kClipIdentities = {0, 0, 1, 2, 2, 0};

struct Network {
  std::string name, model, loss;
};

const std::vector<Network> kNetworks = {
    {"Stsrn", "stsrn { width: 0.25 features: 16 dropout: 0.6 }",
     "identity {} video_triplet { margin: 1 weight: 0.5 }"},
    {"StsrnOfPairs", "stsrn { width: 0.25 features: 16 dropout: 0.6 }",
     "identity { weight: 2 } verification {}"},
    {"CnnRnn", "cnn_rnn { width: 0.25 features: 16 dropout: 0.6 }",
     "identity {} verification { margin: 3 }"},
    {"TamSrm",
     "tam_srm { width: 0.0625 input_size: 67 frames: 3 feature_size: 8 attention_size: 8 "
     "recurrent_size: 8 metric_channels: 8 metric_hidden: 8 dropout: 0.4 }",
     "video_triplet { margin: 0.3 normalise: true } pair {}"},
    {"TrlOfOneStream",
     "trl { width: 0.0625 input_size: 64 backbone: GOOGLENET_V1 alignment: UNALIGNED hidden: 8 }",
     "identity {}"},
};

template <typename Message>
Message parsed(const std::string& text) {
  Message message;
  MUSTER_REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message), ==, true);
  return message;
}

std::unique_ptr<models::Model> model_of(const std::string& text) {
  const auto options = parsed<proto::Model>(text);
  auto model = models::model_entry(options).create(options, 3, 1);
  model->to(at::kDouble);
  return model;
}

models::ModelInput input_of(const models::Model& model, int64_t clips) {
  const models::InputFormat format = model.input_format();
  const auto noise = [&](int64_t channels, uint64_t seed) {
    return models::normal_tensor({clips, kFrames, channels, format.crop_height, format.crop_width},
                                 seed)
        .to(at::kDouble);
  };
  models::ModelInput input;
  input.clips = noise(3, 1);
  if (format.flow) input.flow = noise(2, 2);
  if (format.joints) input.joints = at::zeros({clips, kFrames, 14, 3}, at::kDouble);
  return input;
}

// As many clips as there are, unequally, one of three or four ranks without any.
std::vector<int64_t> unequal_clips(int ranks) {
  const std::vector<std::vector<int64_t>> shares = {{6}, {5, 1}, {1, 0, 5}, {2, 1, 0, 3}};
  return shares.at(static_cast<size_t>(ranks - 1));
}

struct Step {
  at::Tensor gradient;  // all parameters in a row, summed over ranks
  StepLosses losses;
  int last_passes = 0;
  at::Tensor before_the_last;  // this rank's gradients when the last pass was announced
};

at::Tensor gradients_of(const models::Model& model) {
  std::vector<at::Tensor> parts;
  for (const auto& [name, value] : model.parameters()) {
    parts.push_back((value.grad().defined() ? value.grad() : at::zeros_like(value)).flatten());
  }
  return at::cat(parts).detach().clone();
}

Step step_of(const Network& network, const std::vector<int64_t>& counts, Communicator& communicator,
             int64_t micro_batch_clips) {
  const auto model = model_of(network.model);
  const auto rank = static_cast<size_t>(communicator.rank());
  const int64_t first = std::accumulate(counts.begin(), counts.begin() + rank, int64_t{0});
  models::ModelInput input = input_of(*model, 6);
  input.clips = input.clips.narrow(0, first, counts[rank]);
  if (input.flow.defined()) input.flow = input.flow.narrow(0, first, counts[rank]);
  const at::Tensor labels = models::label_tensor_of(kClipIdentities).narrow(0, first, counts[rank]);
  CommunicatorStatisticsExchange statistics(communicator);
  models::ForwardContext context;
  context.training = true;
  context.statistics = &statistics;
  for (int64_t clip = first; clip < first + counts[rank]; ++clip) {
    context.clip_keys.push_back(common::combined_key({5, static_cast<uint64_t>(clip)}));
  }
  Step step;
  StepHooks hooks;
  hooks.before_last_backward = [&] {
    ++step.last_passes;
    step.before_the_last = gradients_of(*model);
  };
  step.losses =
      run_forward_backward(*model, parsed<proto::Loss>(network.loss),
                           {input, labels, context, counts}, communicator, micro_batch_clips, hooks)
          .losses;
  sum_gradients(model->parameters(), communicator);
  step.gradient = gradients_of(*model);
  return step;
}

Step whole_step(const Network& network) {
  return step_of(network, {6}, *create_single_communicator(), 0);
}

class MicroBatchTest : public testing::TestWithParam<Network> {};

INSTANTIATE_TEST_SUITE_P(Networks, MicroBatchTest, testing::ValuesIn(kNetworks),
                         [](const auto& test) { return test.param.name; });

TEST_P(MicroBatchTest, GradientIsThatOfTheWholeBatch) {
  const Step whole = whole_step(GetParam());
  EXPECT_GT(whole.gradient.norm().item<double>(), 0);
  for (const int64_t clips : {1, 2, 4, 100}) {
    const Step micro = step_of(GetParam(), unequal_clips(world().size()), world(), clips);
    const double difference = relative_difference(micro.gradient, whole.gradient);
    EXPECT_LE(difference, 1e-12) << clips << " clips at a time";
  }
}

TEST_P(MicroBatchTest, LossesAreThoseOfTheWholeBatch) {
  const Step whole = whole_step(GetParam());
  const Step micro = step_of(GetParam(), unequal_clips(world().size()), world(), 2);
  EXPECT_NEAR(micro.losses.total, whole.losses.total, 1e-12 * whole.losses.total);
  ASSERT_EQ(micro.losses.losses.size(), whole.losses.losses.size());
  for (const auto& [name, value] : whole.losses.losses) {
    EXPECT_NEAR(micro.losses.losses.at(name), value, 1e-12) << name;
  }
}

TEST_P(MicroBatchTest, TheLastPassIsAnnouncedOnceOnEveryRank) {
  const std::vector<int64_t> counts = unequal_clips(world().size());
  const int64_t own = counts[static_cast<size_t>(world().rank())];
  for (const int64_t clips : {0, 2}) {
    const Step step = step_of(GetParam(), counts, world(), clips);
    EXPECT_EQ(step.last_passes, 1);
    // Of several micro-batches all but one are through.
    const bool some = step.before_the_last.norm().item<double>() > 0;
    const bool pairs = GetParam().loss.find("pair {") != std::string::npos;
    if (clips == 0) {
      EXPECT_FALSE(some);
    } else if (own > 2 || !pairs) {
      EXPECT_EQ(some, own > 2);
    }
  }
}

TEST(MicroBatchHooksTest, WhereTheLossIsRefusedNothingGoesBackward) {
  const Network& network = kNetworks.front();
  for (const int64_t clips : {0, 2}) {
    const auto model = model_of(network.model);
    const auto alone = create_single_communicator();
    const models::ModelInput input = input_of(*model, 6);
    CommunicatorStatisticsExchange statistics(*alone);
    const models::ForwardContext context{true, {1, 2, 3, 4, 5, 6}, &statistics};
    StepHooks hooks;
    double seen = 0;
    hooks.proceed = [&](const StepLosses& losses) {
      seen = losses.total;
      return false;
    };
    hooks.before_last_backward = [] { ADD_FAILURE() << "goes backward"; };
    const at::Tensor labels = models::label_tensor_of(kClipIdentities);
    const std::vector<int64_t> counts = {6};
    run_forward_backward(*model, parsed<proto::Loss>(network.loss),
                         {input, labels, context, counts}, *alone, clips, hooks);
    EXPECT_GT(seen, 0);
    EXPECT_EQ(gradients_of(*model).norm().item<double>(), 0);
  }
}

std::string refusal_of(const std::string& network, int64_t clips = 2) {
  const models::WithoutInitialValues only_asked;
  const auto model = model_of(network);
  return common::failure_text<common::InputError>(
      [&] { require_micro_batches(*model, input_of(*model, 0), clips); });
}

TEST(MicroBatchRefusalTest, NetworksWithBatchStatisticsNameTheLayer) {
  const std::string object = "training.micro_batch_clips: the layer '";
  for (const std::string network :
       {"rru_stim { width: 0.0625 input_size: 107 }", "stal { width: 0.0625 input_size: 64 }",
        "trl { width: 0.0625 input_size: 64 }", "pose_network { width: 0.0625 input_size: 64 }"}) {
    const std::string text = refusal_of(network);
    EXPECT_EQ(text.compare(0, object.size(), object), 0) << text;
    const std::string layer =
        text.substr(object.size(), text.find('\'', object.size()) - object.size());
    bool known = false;
    const models::WithoutInitialValues only_names;
    for (const auto& [name, value] : model_of(network)->parameters()) {
      known = known || name == layer + ".weight";
    }
    EXPECT_TRUE(known) << text;
  }
}

TEST(MicroBatchRefusalTest, TheyMayTrainWithoutMicroBatches) {
  const auto model = model_of("stal { width: 0.0625 input_size: 64 }");
  EXPECT_NO_THROW(require_micro_batches(*model, input_of(*model, 0), 0));
}

TEST(MicroBatchRefusalTest, NetworksWithoutThemPass) {
  for (const Network& network : kNetworks) {
    const auto model = model_of(network.model);
    EXPECT_NO_THROW(require_micro_batches(*model, input_of(*model, 0), 1)) << network.name;
  }
}

TEST(MicroBatchRefusalTest, NegativeNumbersAreNone) {
  const auto model = model_of(kNetworks.front().model);
  EXPECT_THROW(require_micro_batches(*model, input_of(*model, 0), -1), common::InputError);
}

}  // namespace
}  // namespace muster::trainer
