// The reducer on MPI ranks, under every network.
#include "trainer/gradient_reducer.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "common/error.h"
#include "tests/ranks/world.h"
#include "tests/trainer/gradient_reducer_contract.h"
#include "tests/trainer/small_networks.h"
#include "trainer/loss_terms.h"
#include "trainer/parameter_agreement.h"

namespace muster::trainer {
namespace {

class MpiReducerContractTest : public testing::TestWithParam<ReducerCheck> {};

TEST_P(MpiReducerContractTest, Holds) { GetParam().run(world()); }

INSTANTIATE_TEST_SUITE_P(Checks, MpiReducerContractTest, testing::ValuesIn(reducer_checks()),
                         [](const auto& test) { return test.param.name; });

// As triplets (0, 0, 1) and (2, 2, 0); on three ranks and more one has no clips.
const std::vector<int64_t> kLabels = {0, 0, 1, 2, 2, 0};
const std::vector<std::vector<int64_t>> kClipsOfRanks = {{6}, {5, 1}, {1, 0, 5}, {2, 1, 0, 3}};

struct OwnClips {
  int64_t first, count;
  const std::vector<int64_t>& counts;
};

OwnClips own_clips() {
  const auto rank = static_cast<size_t>(world().rank());
  const std::vector<int64_t>& counts = kClipsOfRanks.at(static_cast<size_t>(world().size() - 1));
  const auto end = counts.begin() + static_cast<std::ptrdiff_t>(rank);
  return {std::accumulate(counts.begin(), end, int64_t{0}), counts[rank], counts};
}

models::ModelInput input_of(const models::InputFormat& format, uint64_t step) {
  const OwnClips own = own_clips();
  const auto share = [&](at::IntArrayRef shape, uint64_t key) {
    const at::Tensor all = models::normal_tensor(shape, 100 * step + key);
    return all.narrow(0, own.first, own.count).clone();
  };
  const int64_t height = format.crop_height, width = format.crop_width;
  models::ModelInput input;
  input.clips = share({6, kSmallFrames, 3, height, width}, 1);
  if (format.flow) input.flow = share({6, kSmallFrames, 2, height, width}, 2);
  if (format.joints || format.learns_joints) {
    input.joints = share({6, kSmallFrames, datastore::kJointCount, 3}, 3).abs() * 9;
    input.joints.select(3, 2).fill_(1);
  }
  return input;
}

// A network with its losses.
struct Subject {
  std::unique_ptr<models::Model> model;
  proto::Training training;
};

Subject subject_of(const std::string& network) {
  const auto& catalog = models::model_catalog();
  const auto& entry =
      *std::find_if(catalog.begin(), catalog.end(),
                    [&](const models::ModelEntry& each) { return each.name == network; });
  Subject subject;
  proto::Model options;
  google::protobuf::TextFormat::ParseFromString(network + " { }", &options);
  subject.model = smallest_network(entry, options);
  choose_losses(*subject.model, subject.training);
  subject.model->to(at::kDouble);
  return subject;
}

void backward(Subject& subject, uint64_t step, CommunicatorStatisticsExchange& statistics,
              const std::function<void()>& before) {
  const OwnClips own = own_clips();
  models::ForwardContext context;
  context.training = true;
  context.statistics = &statistics;
  for (int64_t clip = own.first; clip < own.first + own.count; ++clip) {
    context.clip_keys.push_back(common::combined_key({step, static_cast<uint64_t>(clip)}));
  }
  models::Model& model = *subject.model;
  const auto output = model.forward(input_of(model.input_format(), step), context);
  const at::Tensor labels = models::label_tensor_of(kLabels).narrow(0, own.first, own.count);
  auto* judge = dynamic_cast<models::PairModel*>(&model);
  if (judge != nullptr && !judge->judges_pairs()) judge = nullptr;
  const StepLosses losses =
      step_losses(subject.training.loss(), output, labels, own.counts, world(), {judge, &context});
  before();
  losses.local_total.backward();
}

class ReducedNetworkTest : public testing::TestWithParam<std::string> {};

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const models::ModelEntry& entry : models::model_catalog()) names.push_back(entry.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Networks, ReducedNetworkTest, testing::ValuesIn(network_names()),
                         [](const auto& test) { return test.param; });

TEST_P(ReducedNetworkTest, ThreeStepsEqualThoseOfPlainSums) {
  Subject reduced = subject_of(GetParam()), plain = subject_of(GetParam());
  CommunicatorStatisticsExchange statistics(world());
  const models::NamedTensors parameters = reduced.model->parameters();
  const models::NamedTensors expected = plain.model->parameters();
  GradientReducer reducer(parameters, world(), buckets_of(1 << 14));
  for (uint64_t step = 1; step <= 3; ++step) {
    backward(reduced, step, statistics, [&] { reducer.begin_step(); });
    const ReductionReport report = reducer.finish();
    if (own_clips().count > 0) {
      EXPECT_GT(report.early_messages, 0);
    }
    for (const auto& [name, value] : expected) value.mutable_grad().reset();
    backward(plain, step, statistics, [] {});
    sum_gradients(expected, world());
    expect_same_gradients(parameters, expected, 1e-9);
    descend(parameters, 1e-3);
    descend(expected, 1e-3);
  }
  EXPECT_NO_THROW(require_agreement(models::weights_of(*reduced.model), 3, world()));
}

TEST(AgreementAcrossRanksTest, TheRankWithAFlippedBitIsNamedOnEveryRank) {
  if (world().size() < 2) return;
  const at::Tensor value = models::normal_tensor({1000}, 1);
  const int diverged = world().size() - 1;
  if (world().rank() == diverged) static_cast<uint8_t*>(value.data_ptr())[4321] ^= 4;
  std::string text;
  try {
    require_agreement({{"same", models::normal_tensor({3}, 2)}, {"value", value}}, 7, world());
  } catch (const common::SystemError& failure) {
    text = failure.what();
  }
  EXPECT_EQ(text.find("rank " + std::to_string(diverged) + ": "), 0u) << text;
  EXPECT_NE(text.find("step 7"), std::string::npos) << text;
  EXPECT_NE(text.find("first in value"), std::string::npos) << text;
}

}  // namespace
}  // namespace muster::trainer
