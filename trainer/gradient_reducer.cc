#include "trainer/gradient_reducer.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>

#include "common/error.h"
#include "trainer/bfloat16_sum.h"
#include "trainer/gradient_buckets.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

std::vector<size_t> last_to_first(size_t parameters) {
  std::vector<size_t> order(parameters);
  std::iota(order.rbegin(), order.rend(), size_t{0});
  return order;
}

// Positions of all parameters by when rank 0 saw their gradients; behind them what only other ranks
// use, and what nobody uses. Empty where rank 0 saw none. Collective.
std::vector<size_t> agreed_order(const std::vector<size_t>& arrivals, size_t parameters,
                                 Communicator& communicator) {
  const auto count = static_cast<int64_t>(parameters);
  std::vector<int64_t> users(parameters, 0), place(parameters, count);
  for (size_t i = 0; i < arrivals.size(); ++i) {
    users[arrivals[i]] = 1;
    place[arrivals[i]] = static_cast<int64_t>(i);
  }
  communicator.all_reduce_sum(users.data(), count, ElementType::kInt64)->wait();
  communicator.broadcast(place.data(), count, ElementType::kInt64, 0);
  if (std::all_of(place.begin(), place.end(), [&](int64_t at) { return at == count; })) return {};
  std::vector<size_t> order = last_to_first(parameters);
  std::stable_sort(order.begin(), order.end(), [&](size_t left, size_t right) {
    const bool left_idle = users[left] == 0, right_idle = users[right] == 0;
    return std::make_pair(left_idle, place[left]) < std::make_pair(right_idle, place[right]);
  });
  return order;
}

}  // namespace

class GradientReducer::State {
 public:
  State(const models::NamedTensors& parameters, Communicator& communicator,
        const ReducerOptions& options)
      : options_(options), messages_(communicator.duplicate()) {
    MUSTER_REQUIRE(options.bucket_bytes, >, 0);
    for (const auto& [name, value] : parameters) {
      if (!value.requires_grad()) continue;
      names_.push_back(name);
      values_.push_back(value);
      types_.push_back(element_type(value));
    }
    order_ = last_to_first(values_.size());
    if (!options.order.empty()) {
      order_.assign(options.order.begin(), options.order.end());
      order_known_ = true;
    }
    buckets_ = std::make_unique<GradientBuckets>(values_, order_, options.bucket_bytes);
    for (size_t i = 0; i < values_.size(); ++i) add_hook(i);
  }

  ~State() {
    for (const auto& [node, key] : hooks_) node->del_post_hook(key);
  }

  void begin_step(bool more_passes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    MUSTER_REQUIRE(started_, ==, 0u);  // of the step before
    if (order_changed_) {
      buckets_ = std::make_unique<GradientBuckets>(values_, order_, options_.bucket_bytes);
      order_changed_ = false;
    }
    buckets_->reset();
    arrived_.assign(values_.size(), false);
    arrivals_.clear();
    missing_.clear();
    for (size_t i = 0; i < buckets_->count(); ++i) missing_.push_back(buckets_->members(i).size());
    pending_.clear();
    counting_ = !more_passes;
    open_ = true;
  }

  void last_pass() {
    const std::lock_guard<std::mutex> lock(mutex_);
    MUSTER_REQUIRE(open_, ==, true);
    counting_ = true;
  }

  // The parameter's gradient of this pass is complete, or there is none.
  void arrive(size_t parameter) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!open_ || !counting_) return;
    // Its message may be under way: a second backward pass that was not announced.
    const std::string arrived_twice = arrived_[parameter] ? names_[parameter] : "";
    MUSTER_REQUIRE(arrived_twice, ==, "");
    const std::string replaced = buckets_->attached(parameter) ? "" : names_[parameter];
    MUSTER_REQUIRE(replaced, ==, "");
    arrived_[parameter] = true;
    arrivals_.push_back(parameter);
    --missing_[buckets_->bucket_of(parameter)];
    if (!options_.overlap) return;
    while (started_ < buckets_->count() && missing_[started_] == 0) start_next();
  }

  ReductionReport finish() {
    const std::lock_guard<std::mutex> lock(mutex_);
    MUSTER_REQUIRE(open_, ==, true);
    for (size_t i = 0; i < values_.size(); ++i) {
      const std::string replaced = buckets_->attached(i) ? "" : names_[i];
      MUSTER_REQUIRE(replaced, ==, "");
    }
    const Clock::time_point start = Clock::now();
    ReductionReport report;
    report.early_messages = static_cast<int64_t>(pending_.size());
    while (started_ < buckets_->count()) start_next();
    for (const auto& message : pending_) message->wait();
    const Clock::time_point end = Clock::now();
    report.exposed_seconds = seconds_between(start, end);
    report.messages = static_cast<int64_t>(pending_.size());
    if (!pending_.empty()) report.busy_seconds = seconds_between(first_start_, end);
    for (size_t i = 0; i < buckets_->count() && messages_->size() > 1; ++i) {
      report.bytes += static_cast<int64_t>(buckets_->flat(i).nbytes());
    }
    pending_.clear();
    started_ = 0;
    open_ = false;
    if (!order_known_) learn_order();
    return report;
  }

  std::vector<int64_t> order() const {
    if (!order_known_) return {};
    return {order_.begin(), order_.end()};
  }

 private:
  class ReadyHook : public torch::autograd::FunctionPostHook {
   public:
    ReadyHook(State& state, size_t parameter) : state_(state), parameter_(parameter) {}
    torch::autograd::variable_list operator()(
        const torch::autograd::variable_list& outputs,
        const torch::autograd::variable_list& /*gradients*/) override {
      state_.arrive(parameter_);
      return outputs;
    }

   private:
    State& state_;
    const size_t parameter_;
  };

  // Behind the node that adds to the parameter's gradient; the parameter itself holds it weakly.
  void add_hook(size_t parameter) {
    auto node = torch::autograd::impl::grad_accumulator(values_[parameter]);
    const uintptr_t key = node->add_post_hook(std::make_unique<ReadyHook>(*this, parameter));
    hooks_.emplace_back(std::move(node), key);
  }

  void start_next() {
    const at::Tensor& flat = buckets_->flat(started_);
    const ElementType type = types_[buckets_->members(started_).front()];
    ++started_;
    if (flat.numel() == 0) return;
    if (pending_.empty()) first_start_ = Clock::now();
    Communicator& messages = communicator_for(flat, *messages_);
    pending_.push_back(options_.bfloat16_on_wire
                           ? start_bfloat16_sum(flat, messages)
                           : messages.all_reduce_sum(flat.data_ptr(), flat.numel(), type));
  }

  void learn_order() {
    const std::vector<size_t> order = agreed_order(arrivals_, values_.size(), *messages_);
    if (order.empty()) return;
    order_known_ = true;
    order_changed_ = order != order_;
    order_ = order;
  }

  const ReducerOptions options_;
  const std::unique_ptr<Communicator> messages_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> values_;
  std::vector<ElementType> types_;
  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, uintptr_t>> hooks_;

  std::mutex mutex_;  // over all below
  std::vector<size_t> order_;
  bool order_known_ = false, order_changed_ = false;
  std::unique_ptr<GradientBuckets> buckets_;
  // Of this step.
  bool open_ = false;      // between begin_step() and finish()
  bool counting_ = false;  // in the last pass
  std::vector<char> arrived_;
  std::vector<size_t> arrivals_;
  std::vector<size_t> missing_;  // gradients, by bucket
  size_t started_ = 0;           // buckets
  std::vector<std::unique_ptr<PendingOperation>> pending_;
  Clock::time_point first_start_;
};

GradientReducer::GradientReducer(const models::NamedTensors& parameters, Communicator& communicator,
                                 const ReducerOptions& options)
    : state_(std::make_unique<State>(parameters, communicator, options)) {}
GradientReducer::~GradientReducer() = default;
void GradientReducer::begin_step(bool more_passes) { state_->begin_step(more_passes); }
void GradientReducer::last_pass() { state_->last_pass(); }
ReductionReport GradientReducer::finish() { return state_->finish(); }
std::vector<int64_t> GradientReducer::order() const { return state_->order(); }

ReducerOptions reducer_options(const proto::Training& training) {
  ReducerOptions options;
  options.bucket_bytes = training.bucket_bytes();
  options.overlap = training.overlap();
  options.bfloat16_on_wire = training.wire_precision() == proto::Training::BFLOAT16;
  if (options.bucket_bytes <= 0 || options.bucket_bytes > int64_t{1} << 32) {
    throw common::InputError("training.bucket_bytes", std::to_string(options.bucket_bytes) +
                                                          " is not between 1 and 4294967296");
  }
  if (options.bfloat16_on_wire && training.precision() == proto::FLOAT64) {
    throw common::InputError("training.wire_precision",
                             "BFLOAT16 would undo the FLOAT64 of training.precision");
  }
  return options;
}

}  // namespace muster::trainer
