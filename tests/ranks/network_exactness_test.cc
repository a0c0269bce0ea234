// The gradient of every network, with every loss that its output serves, on all ranks together
// against one process on the same batch: dropout, batch statistics over ranks, mining, messages
// during backward.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <numeric>

#include "tests/ranks/small_training.h"
#include "tests/ranks/world.h"
#include "tests/trainer/small_networks.h"
#include "trainer/gradient_reducer.h"
#include "trainer/loss_terms.h"
#include "trainer/training_step.h"

namespace muster::trainer {
namespace {

using Order = std::vector<int64_t>;

// As triplets (0, 0, 1) and (2, 2, 0); on three ranks and more one has no clips.
const std::vector<int64_t> kPersonsOfClips = {0, 0, 1, 2, 2, 0};
const std::vector<std::vector<int64_t>> kShares = {{6}, {5, 1}, {1, 0, 5}, {2, 1, 0, 3}};
const Order kAsTheyAre = {0, 1, 2, 3, 4, 5};

struct GradientAndLoss {
  at::Tensor gradient;  // float64, all parameters in a row
  double total = 0;
};

// The clips of `order` that this rank has.
class Share {
 public:
  Share(const Order& order, const std::vector<int64_t>& counts, int rank) {
    const auto first = std::accumulate(counts.begin(), counts.begin() + rank, int64_t{0});
    clips_.assign(order.begin() + first, order.begin() + first + counts[static_cast<size_t>(rank)]);
  }
  const Order& clips() const { return clips_; }
  at::Tensor of(at::IntArrayRef shape, uint64_t key) const {
    return models::normal_tensor(shape, key).index_select(0, models::label_tensor_of(clips_));
  }

 private:
  Order clips_;
};

models::ModelInput shared_input(const models::InputFormat& format, const Share& share) {
  const int64_t height = format.crop_height, width = format.crop_width;
  models::ModelInput input;
  input.clips = share.of({6, kSmallFrames, 3, height, width}, 41);
  if (format.flow) input.flow = share.of({6, kSmallFrames, 2, height, width}, 42);
  if (format.joints || format.learns_joints) {
    input.joints = share.of({6, kSmallFrames, datastore::kJointCount, 3}, 43).abs() * 9;
    input.joints.select(3, 2).fill_(1);
  }
  return input;
}

GradientAndLoss step_of(const models::ModelEntry& entry, const Order& order,
                        const std::vector<int64_t>& counts, Communicator& communicator) {
  proto::Model options;
  google::protobuf::TextFormat::ParseFromString(entry.name + " { }", &options);
  const auto model = smallest_network(entry, options);
  proto::Training training;
  choose_losses(*model, training);
  model->to(at::kDouble);
  const Share share(order, counts, communicator.rank());
  CommunicatorStatisticsExchange statistics(communicator);
  models::ForwardContext context;
  context.training = true;
  context.statistics = &statistics;
  std::vector<int64_t> identities;
  for (const int64_t clip : share.clips()) {
    context.clip_keys.push_back(common::combined_key({9, static_cast<uint64_t>(clip)}));
    identities.push_back(kPersonsOfClips[static_cast<size_t>(clip)]);
  }
  const models::NamedTensors parameters = model->parameters();
  ReducerOptions buckets;
  buckets.bucket_bytes = 1 << 14;
  GradientReducer reducer(parameters, communicator, buckets);
  reducer.begin_step();
  const auto output = model->forward(shared_input(model->input_format(), share), context);
  const StepLosses losses =
      step_losses(training.loss(), output, models::label_tensor_of(identities), counts,
                  communicator, {pair_judge(*model), &context});
  losses.local_total.backward();
  reducer.finish();
  std::vector<at::Tensor> flat;
  for (const auto& [name, value] : parameters) flat.push_back(value.grad().flatten().clone());
  return {at::cat(flat), losses.total};
}

class NetworkExactnessTest : public testing::TestWithParam<size_t> {};

INSTANTIATE_TEST_SUITE_P(Networks, NetworkExactnessTest,
                         testing::Range(size_t{0}, models::model_catalog().size()),
                         [](const auto& test) { return models::model_catalog()[test.param].name; });

TEST_P(NetworkExactnessTest, GradientIsThatOfOneProcess) {
  const models::ModelEntry& entry = models::model_catalog()[GetParam()];
  const auto alone = create_single_communicator();
  const GradientAndLoss expected = step_of(entry, kAsTheyAre, {6}, *alone);
  // What merely permuting the batch changes; triplets stay whole.
  double permuted = 0;
  for (const Order& order : {Order{3, 4, 5, 0, 1, 2}}) {
    const GradientAndLoss other = step_of(entry, order, {6}, *alone);
    permuted = std::max(permuted, relative_difference(other.gradient, expected.gradient));
  }
  const double bound = std::min(1e-9, std::max(1e-15, 10 * permuted));
  const auto& counts = kShares.at(static_cast<size_t>(world().size() - 1));
  const GradientAndLoss together = step_of(entry, kAsTheyAre, counts, world());
  const double difference = relative_difference(together.gradient, expected.gradient);
  if (world().rank() == 0) {
    std::cout << "  " << entry.name << ": " << difference << ", bound " << bound << "\n";
  }
  EXPECT_GT(expected.gradient.norm().item<double>(), 0);
  EXPECT_LE(difference, bound);
  EXPECT_NEAR(together.total, expected.total, 1e-12 * std::abs(expected.total));
}

}  // namespace
}  // namespace muster::trainer
