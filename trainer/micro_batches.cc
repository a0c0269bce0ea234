#include "trainer/micro_batches.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "common/error.h"
#include "models/layers/autocast.h"
#include "trainer/mixed_precision.h"

namespace muster::trainer {
namespace {

class Laps {
 public:
  double next() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The layer with batch statistics that comes first among the buffers, by its name.
std::string layer_with_statistics(const models::Model& model) {
  const std::string ending = ".running_mean";
  for (const auto& [name, value] : model.buffers()) {
    if (name.size() > ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      return "the layer '" + name.substr(0, name.size() - ending.size()) + "'";
    }
  }
  return "a layer";
}

// Whoever asks for statistics of the batch couples its clips.
class NoStatistics : public models::StatisticsExchange {
 public:
  explicit NoStatistics(const models::Model& model) : model_(model) {}
  at::Tensor sum(const at::Tensor& /*local*/) override { refuse(); }
  bool alone() const override { refuse(); }

 private:
  [[noreturn]] void refuse() const {
    throw common::InputError(
        "training.micro_batch_clips",
        layer_with_statistics(model_) +
            " of the network normalises by statistics of the whole batch, which micro-batches do "
            "not see",
        "leave the setting out and use more ranks or fewer clips");
  }
  const models::Model& model_;
};

// Clips [begin, end) of this rank.
struct ClipRows {
  int64_t begin, end;
  at::Tensor of(const at::Tensor& tensor) const {
    return tensor.defined() ? tensor.narrow(0, begin, end - begin) : tensor;
  }
};

// At least one, possibly without clips: the names and shapes of outputs are needed on every rank.
std::vector<ClipRows> micro_batches_of(int64_t clips, int64_t largest) {
  std::vector<ClipRows> all;
  for (int64_t begin = 0; begin < clips || all.empty(); begin += largest) {
    all.push_back({begin, std::min(begin + largest, clips)});
  }
  return all;
}

models::ModelOutput forward_in(at::ScalarType products, models::Model& model,
                               const models::ModelInput& input,
                               const models::ForwardContext& context) {
  const models::Autocast autocast(input.clips.device().type(), products);
  return in_full_precision(model.forward(input, context));
}

models::ModelOutput forward_of(models::Model& model, const StepShare& share, const ClipRows& rows,
                               models::StatisticsExchange& statistics) {
  models::ModelInput input;
  input.clips = rows.of(share.input.clips);
  input.flow = rows.of(share.input.flow);
  input.joints = rows.of(share.input.joints);
  input.boxes = rows.of(share.input.boxes);
  models::ForwardContext context = share.context;
  context.statistics = &statistics;
  if (!context.clip_keys.empty()) {
    const auto first = share.context.clip_keys.begin();
    context.clip_keys.assign(first + rows.begin, first + rows.end);
  }
  return forward_in(share.products, model, input, context);
}

// Every tensor that the loss may look at with a gradient.
template <typename Visit>
void for_each_tensor(models::ModelOutput& output, const Visit& visit) {
  for (auto& [name, value] : output.signature) visit("signature " + name, value);
  for (auto& [name, value] : output.logits) visit("logits " + name, value);
}

// The outputs of all micro-batches as one, leaves of a new graph.
models::ModelOutput joined(std::vector<models::ModelOutput>& parts) {
  std::map<std::string, std::vector<at::Tensor>> rows;
  std::vector<at::Tensor> joints;
  for (models::ModelOutput& part : parts) {
    for_each_tensor(
        part, [&](const std::string& name, at::Tensor& value) { rows[name].push_back(value); });
    if (part.targets.joints.defined()) joints.push_back(part.targets.joints);
  }
  models::ModelOutput all = parts.front();
  for_each_tensor(all, [&](const std::string& name, at::Tensor& value) {
    MUSTER_REQUIRE(rows.at(name).size(), ==, parts.size());
    value = at::cat(rows.at(name)).detach();
    if (value.is_floating_point()) value.requires_grad_();
  });
  if (!joints.empty()) all.targets.joints = at::cat(joints);
  return all;
}

// `output` is that of `rows` alone; `all` holds the gradients of all clips' outputs.
void backward_of(models::ModelOutput& output, models::ModelOutput& all, const ClipRows& rows) {
  std::map<std::string, at::Tensor> gradients;
  for_each_tensor(all, [&](const std::string& name, at::Tensor& value) {
    if (value.grad().defined()) gradients[name] = rows.of(value.grad());
  });
  std::vector<at::Tensor> roots, of_roots;
  for_each_tensor(output, [&](const std::string& name, at::Tensor& value) {
    const auto found = gradients.find(name);
    if (found == gradients.end() || !value.requires_grad()) return;
    roots.push_back(value);
    of_roots.push_back(found->second);
  });
  if (!roots.empty()) torch::autograd::backward(roots, of_roots);
}

PairJudge judge_of(models::Model& model, const StepShare& share) {
  auto* pairs = dynamic_cast<models::PairModel*>(&model);
  return {pairs != nullptr && pairs->judges_pairs() ? pairs : nullptr, &share.context,
          share.products};
}

void go_backward(const StepLosses& losses, const StepHooks& hooks) {
  const bool scaled = hooks.loss_scale != 1;
  (scaled ? losses.local_total * hooks.loss_scale : losses.local_total).backward();
}

bool may_proceed(const StepHooks& hooks, const StepLosses& losses) {
  return !hooks.proceed || hooks.proceed(losses);
}

StepPasses run_whole(models::Model& model, const proto::Loss& loss, const StepShare& share,
                     Communicator& communicator, const StepHooks& hooks) {
  StepPasses passes;
  Laps laps;
  const models::ModelOutput output = forward_in(share.products, model, share.input, share.context);
  passes.forward_seconds = laps.next();
  passes.losses =
      step_losses(loss, output, share.labels, share.counts, communicator, judge_of(model, share));
  passes.loss_seconds = laps.next();
  if (!may_proceed(hooks, passes.losses)) return passes;
  if (hooks.before_last_backward) hooks.before_last_backward();
  go_backward(passes.losses, hooks);
  passes.backward_seconds = laps.next();
  return passes;
}

StepPasses run_micro_batches(models::Model& model, const proto::Loss& loss, const StepShare& share,
                             Communicator& communicator, int64_t micro_batch_clips,
                             const StepHooks& hooks) {
  StepPasses passes;
  Laps laps;
  NoStatistics statistics(model);
  const std::vector<ClipRows> micro_batches =
      micro_batches_of(share.labels.size(0), micro_batch_clips);
  models::ModelOutput all;
  {
    const at::NoGradGuard without_graph;
    std::vector<models::ModelOutput> parts;
    for (const ClipRows& rows : micro_batches) {
      parts.push_back(forward_of(model, share, rows, statistics));
    }
    all = joined(parts);
  }
  passes.forward_seconds = laps.next();
  passes.losses =
      step_losses(loss, all, share.labels, share.counts, communicator, judge_of(model, share));
  passes.loss_seconds = laps.next();
  if (!may_proceed(hooks, passes.losses)) return passes;
  go_backward(passes.losses, hooks);
  for (const ClipRows& rows : micro_batches) {
    models::ModelOutput output = forward_of(model, share, rows, statistics);
    if (&rows == &micro_batches.back() && hooks.before_last_backward) hooks.before_last_backward();
    backward_of(output, all, rows);
  }
  passes.backward_seconds = laps.next();
  return passes;
}

}  // namespace

StepPasses run_forward_backward(models::Model& model, const proto::Loss& loss,
                                const StepShare& share, Communicator& communicator,
                                int64_t micro_batch_clips, const StepHooks& hooks) {
  if (micro_batch_clips <= 0) return run_whole(model, loss, share, communicator, hooks);
  return run_micro_batches(model, loss, share, communicator, micro_batch_clips, hooks);
}

void require_micro_batches(models::Model& model, const models::ModelInput& no_clips,
                           int64_t micro_batch_clips) {
  if (micro_batch_clips < 0) {
    throw common::InputError("training.micro_batch_clips",
                             std::to_string(micro_batch_clips) + " is negative");
  }
  if (micro_batch_clips == 0) return;
  const at::NoGradGuard without_graph;
  NoStatistics statistics(model);
  models::ForwardContext context;
  context.training = true;
  context.statistics = &statistics;
  model.forward(no_clips, context);
}

}  // namespace muster::trainer
