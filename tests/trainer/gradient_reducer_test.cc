#include "trainer/gradient_reducer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/optim/sgd.h>

#include <mutex>

#include "common/error.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/trainer/gradient_reducer_contract.h"
#include "trainer/gradient_buckets.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;
using common::RequirementError;
using models::same_values;

class ReducerContractTest : public testing::TestWithParam<std::tuple<int, ReducerCheck>> {};

TEST_P(ReducerContractTest, Holds) {
  const auto& [size, check] = GetParam();
  run_ranks(size, check.run);
}

INSTANTIATE_TEST_SUITE_P(Checks, ReducerContractTest,
                         testing::Combine(testing::Values(1, 2, 3, 4),
                                          testing::ValuesIn(reducer_checks())),
                         [](const auto& test) {
                           return std::get<1>(test.param).name + "On" +
                                  std::to_string(std::get<0>(test.param));
                         });

at::Tensor weight(at::IntArrayRef shape, at::ScalarType type = at::kDouble) {
  return at::ones(shape, type).requires_grad_();
}

using Groups = std::vector<std::vector<size_t>>;

TEST(AssignBucketsTest, FillsInTheGivenOrder) {
  // 48, 72 and 96 bytes.
  const std::vector<at::Tensor> parameters = {weight({2, 3}), weight({3, 3}), weight({4, 3})};
  EXPECT_EQ(assign_buckets(parameters, {2, 1, 0}, 1), (Groups{{2}, {1}, {0}}));
  EXPECT_EQ(assign_buckets(parameters, {2, 1, 0}, 167), (Groups{{2}, {1, 0}}));
  EXPECT_EQ(assign_buckets(parameters, {2, 1, 0}, 168), (Groups{{2, 1}, {0}}));
  EXPECT_EQ(assign_buckets(parameters, {2, 1, 0}, 216), (Groups{{2, 1, 0}}));
  EXPECT_EQ(assign_buckets(parameters, {0, 2, 1}, 150), (Groups{{0, 2}, {1}}));
  EXPECT_EQ(assign_buckets({}, {}, 150), Groups{});
}

TEST(BytesOfBucketTest, FewGradientsTravelInSeveralMessages) {
  const auto of_bytes = [](int64_t bytes) {
    return std::vector<at::Tensor>{at::zeros({bytes / 8}), at::zeros({bytes / 8})};
  };
  constexpr int64_t kMegabyte = int64_t{1} << 20;
  EXPECT_EQ(bytes_of_bucket(of_bytes(64 * kMegabyte), 4 * kMegabyte), 4 * kMegabyte);
  EXPECT_EQ(bytes_of_bucket(of_bytes(2 * kMegabyte), 4 * kMegabyte), kMegabyte / 4);
  EXPECT_EQ(bytes_of_bucket(of_bytes(1000), 4 * kMegabyte), kMegabyte / 8);
  EXPECT_EQ(bytes_of_bucket(of_bytes(2 * kMegabyte), 1000), 1000);
}

TEST(AssignBucketsTest, ElementTypesDoNotMix) {
  const std::vector<at::Tensor> parameters = {weight({2}), weight({2}, at::kFloat), weight({2})};
  EXPECT_EQ(assign_buckets(parameters, {0, 1, 2}, 1000), (Groups{{0}, {1}, {2}}));
}

class OneRankTest : public testing::Test {
 protected:
  const std::unique_ptr<Communicator> communicator_ = create_single_communicator();
};

using GradientViewTest = OneRankTest;

TEST_F(GradientViewTest, GradientsLieOneBehindTheOther) {
  const at::Tensor first = weight({2, 3}), second = weight({5});
  GradientReducer reducer({{"first", first}, {"second", second}}, *communicator_, {});
  reducer.begin_step();
  EXPECT_EQ(second.grad().data_ptr<double>() + 5, first.grad().data_ptr<double>());
}

TEST_F(GradientViewTest, StaysThroughStepsAndTheOptimiser) {
  const models::NamedTensors parameters = chain_parameters();
  GradientReducer reducer(parameters, *communicator_, buckets_of(1 << 20));
  std::vector<at::Tensor> values;
  for (const auto& [name, value] : parameters) values.push_back(value);
  torch::optim::SGD optimizer(values, torch::optim::SGDOptions(0.1).momentum(0.9));
  for (uint64_t step = 1; step <= 3; ++step) {
    reducer.begin_step();
    const double* last = values[6].grad().data_ptr<double>();
    chain_loss(parameters, {0, 1, 2, 3, 4, 5}, step, *communicator_).backward();
    reducer.finish();
    optimizer.step();
    EXPECT_EQ(values[6].grad().data_ptr<double>(), last);
    EXPECT_GT(values[6].grad().abs().max().item<double>(), 0);
    optimizer.zero_grad();
  }
}

TEST_F(GradientViewTest, AGradientThatWasDroppedBetweenStepsComesBack) {
  const at::Tensor value = weight({4});
  GradientReducer reducer({{"value", value}}, *communicator_, {});
  for (int step = 1; step <= 2; ++step) {
    reducer.begin_step();
    (value * step).sum().backward();
    reducer.finish();
    EXPECT_TRUE(same_values(value.grad(), at::full({4}, step, at::kDouble)));
    value.mutable_grad().reset();
  }
}

TEST_F(GradientViewTest, AGradientThatWasReplacedIsNoticed) {
  const at::Tensor value = weight({4});
  GradientReducer reducer({{"value", value}}, *communicator_, {});
  reducer.begin_step();
  value.mutable_grad().reset();
  EXPECT_TRUE(
      contains(failure_text<RequirementError>([&] { (value * 2).sum().backward(); }), "replaced"));
  value.mutable_grad() = at::zeros({4}, at::kDouble);
  EXPECT_TRUE(contains(failure_text<RequirementError>([&] { reducer.finish(); }), "value"));
}

TEST_F(GradientViewTest, KeepsTheLayoutOfItsParameter) {
  const at::Tensor last =
      weight({2, 3, 4, 5}).detach().contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const at::Tensor gaps = at::ones({4, 6}, at::kDouble).slice(1, 0, 6, 2).requires_grad_();
  GradientReducer reducer({{"last", last}, {"gaps", gaps}}, *communicator_, {});
  reducer.begin_step();
  const at::Tensor factors = models::normal_tensor({2, 3, 4, 5}, 1);
  ((last * factors).sum() + (gaps * 3).sum()).backward();
  reducer.finish();
  EXPECT_EQ(last.grad().strides(), last.strides());
  EXPECT_TRUE(gaps.grad().is_contiguous());
  EXPECT_TRUE(same_values(last.grad(), factors));
  EXPECT_TRUE(same_values(gaps.grad(), at::full({4, 3}, 3, at::kDouble)));
}

using ReducerTest = OneRankTest;

TEST_F(ReducerTest, FrozenParametersGetNoGradient) {
  const at::Tensor frozen = at::ones({3}), value = weight({2});
  GradientReducer reducer({{"frozen", frozen}, {"value", value}}, *communicator_, {});
  reducer.begin_step();
  reducer.finish();
  EXPECT_FALSE(frozen.grad().defined());
  EXPECT_TRUE(same_values(value.grad(), at::zeros({2}, at::kDouble)));
}

TEST_F(ReducerTest, ParametersWithoutElementsAndNoneAtAll) {
  GradientReducer({}, *communicator_, {}).order();
  GradientReducer reducer({{"nothing", weight({0, 4})}}, *communicator_, {});
  reducer.begin_step();
  EXPECT_EQ(reducer.finish().messages, 0);
}

TEST_F(ReducerTest, HooksGoWithTheirReducer) {
  const at::Tensor value = weight({2});
  const at::Tensor loss = (value * 2).sum();
  std::make_unique<GradientReducer>(models::NamedTensors{{"value", value}}, *communicator_,
                                    ReducerOptions{})
      ->begin_step();
  loss.backward();
  EXPECT_TRUE(same_values(value.grad(), at::full({2}, 2, at::kDouble)));
}

struct WithoutGradient : torch::autograd::Function<WithoutGradient> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& left,
                            const at::Tensor& right) {
    return left + right;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {at::Tensor(), gradients[0]};
  }
};

TEST_F(ReducerTest, AnUndefinedGradientCountsAsZeros) {
  const at::Tensor left = weight({2}), right = weight({2});
  GradientReducer reducer({{"left", left}, {"right", right}}, *communicator_, buckets_of(1));
  for (int step = 1; step <= 2; ++step) {
    reducer.begin_step();
    WithoutGradient::apply(left, right).sum().backward();
    EXPECT_EQ(reducer.finish().early_messages, 2);
    EXPECT_TRUE(same_values(left.grad(), at::zeros({2}, at::kDouble)));
    EXPECT_TRUE(same_values(right.grad(), at::ones({2}, at::kDouble)));
  }
}

// What would send a message before its last gradient is there.
TEST_F(ReducerTest, ASecondPassThatWasNotAnnouncedIsNoticed) {
  const at::Tensor value = weight({2});
  GradientReducer reducer({{"value", value}}, *communicator_, {});
  reducer.begin_step();
  value.sum().backward();
  const std::string text = failure_text<RequirementError>([&] { value.sum().backward(); });
  EXPECT_TRUE(contains(text, "arrived_twice")) << text;
  EXPECT_TRUE(contains(text, "value")) << text;
}

// Writes down when messages start and end, and sums nothing.
class RecordingCommunicator : public Communicator {
 public:
  using Log = std::vector<std::string>;
  explicit RecordingCommunicator(std::shared_ptr<Log> log) : log_(std::move(log)) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::unique_ptr<PendingOperation> all_reduce_sum(void*, int64_t count,
                                                   ElementType type) override {
    if (type == ElementType::kFloat64) log_->push_back("send " + std::to_string(count));
    struct Logged : PendingOperation {
      std::shared_ptr<Log> log;
      void wait() override { log->push_back("wait"); }
    };
    auto pending = std::make_unique<Logged>();
    pending->log = log_;
    return pending;
  }
  void all_gather(const void*, void*, const std::vector<int64_t>&, ElementType) override {}
  void reduce_scatter_sum(const void*, void*, const std::vector<int64_t>&, ElementType) override {}
  void broadcast(void*, int64_t, ElementType, int) override {}
  void barrier() override {}
  std::unique_ptr<Communicator> duplicate() override {
    return std::make_unique<RecordingCommunicator>(log_);
  }
  [[noreturn]] void abort(int) override { throw std::runtime_error("abort"); }

 private:
  std::shared_ptr<Log> log_;
};

// Two layers of 2 and 3 weights; what happens during a step, "last node" at the end of backward.
RecordingCommunicator::Log events_of_a_step(const ReducerOptions& options,
                                            ReductionReport* report = nullptr) {
  const auto log = std::make_shared<RecordingCommunicator::Log>();
  RecordingCommunicator communicator(log);
  const at::Tensor first = weight({2}), second = weight({3});
  GradientReducer reducer({{"first", first}, {"second", second}}, communicator, options);
  reducer.begin_step();
  const at::Tensor input = weight({1});
  const at::Tensor scaled = input * 2;
  scaled.register_hook([log](const at::Tensor& gradient) {
    log->push_back("last node");
    return gradient;
  });
  const at::Tensor hidden = (scaled.expand({2}) * first).sum();
  (hidden.expand({3}) * second).sum().backward();
  log->push_back("finish");
  const ReductionReport of_step = reducer.finish();
  if (report != nullptr) *report = of_step;
  // Which waits are those of learning the order does not matter here.
  log->erase(std::find(log->begin(), log->end(), "wait"), log->end());
  return *log;
}

TEST(OverlapTest, MessagesStartBeforeTheLastNodeOfBackward) {
  ReductionReport report;
  const auto events = events_of_a_step(buckets_of(1), &report);
  const auto place = [&](const char* event) {
    return std::find(events.begin(), events.end(), event) - events.begin();
  };
  EXPECT_LT(place("send 3"), place("last node"));
  EXPECT_LT(place("send 3"), place("send 2"));
  EXPECT_LT(place("send 2"), place("finish"));
  EXPECT_EQ(report.messages, 2);
  EXPECT_EQ(report.early_messages, 2);
  EXPECT_EQ(report.bytes, 40);
  EXPECT_GE(report.busy_seconds, report.exposed_seconds);
}

TEST(OverlapTest, WithoutItMessagesStartAfterBackward) {
  ReductionReport report;
  EXPECT_EQ(events_of_a_step(buckets_of(1, false), &report),
            (RecordingCommunicator::Log{"last node", "finish", "send 3", "send 2"}));
  EXPECT_EQ(report.early_messages, 0);
}

TEST(OverlapTest, ABucketWaitsForItsLastGradient) {
  const auto events = events_of_a_step(buckets_of(40));
  EXPECT_EQ(std::count(events.begin(), events.end(), "send 5"), 1);
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const std::string& event) { return event.find("send") == 0; }),
            1);
}

TEST(ReducerOptionsTest, ComeFromTheTraining) {
  proto::Training training;
  EXPECT_TRUE(reducer_options(training).overlap);
  EXPECT_FALSE(reducer_options(training).bfloat16_on_wire);
  training.set_overlap(false);
  training.set_bucket_bytes(77);
  training.set_wire_precision(proto::Training::BFLOAT16);
  EXPECT_FALSE(reducer_options(training).overlap);
  EXPECT_TRUE(reducer_options(training).bfloat16_on_wire);
  EXPECT_EQ(reducer_options(training).bucket_bytes, 77);
}

TEST(ReducerOptionsTest, OutOfRangeAreRefused) {
  proto::Training training;
  training.set_bucket_bytes(0);
  EXPECT_TRUE(contains(failure_text<InputError>([&] { reducer_options(training); }),
                       "training.bucket_bytes: 0"));
  training.clear_bucket_bytes();
  training.set_precision(proto::FLOAT64);
  training.set_wire_precision(proto::Training::BFLOAT16);
  EXPECT_TRUE(contains(failure_text<InputError>([&] { reducer_options(training); }),
                       "training.wire_precision"));
}

}  // namespace
}  // namespace muster::trainer
