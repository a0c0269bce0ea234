#include "trainer/training_step.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>

#include "common/error.h"
#include "trainer/parameter_agreement.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

class Stopwatch {
 public:
  // Seconds since the last lap.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// "" if the total is finite, else the terms that are not.
std::string infinite_losses(const StepLosses& losses) {
  if (std::isfinite(losses.total)) return "";
  std::string names;
  for (const auto& [name, value] : losses.losses) {
    if (!std::isfinite(value)) names += (names.empty() ? "" : ", ") + name;
  }
  return "the loss " + (names.empty() ? "total" : names);
}

std::string bad_gradient(const models::NamedTensors& parameters) {
  const std::vector<std::string> names = names_of_bad_gradients(parameters);
  return names.empty() ? "the norm of the gradient" : "the gradient of " + names[0];
}

ReducerOptions options_of_reducer(const proto::Training& settings,
                                  const std::vector<int64_t>& order) {
  ReducerOptions options = reducer_options(settings);
  options.order = order;
  return options;
}

}  // namespace

models::PairModel* pair_judge(models::Model& model) {
  auto* judge = dynamic_cast<models::PairModel*>(&model);
  return judge != nullptr && judge->judges_pairs() ? judge : nullptr;
}

TrainingStep::TrainingStep(const StepParts& parts, const std::optional<CarriedState>& carried)
    : parts_(parts),
      parameters_(parts.model.parameters()),
      reducer_(parameters_, parts.communicator,
               options_of_reducer(parts.settings,
                                  carried ? carried->gradient_order : std::vector<int64_t>())),
      loss_scale_(parts.settings.precision()),
      check_every_(steps_between_checks(parts.settings)) {
  if (carried) loss_scale_.restore(carried->loss_scale);
  hooks_.proceed = [](const StepLosses& losses) { return std::isfinite(losses.total); };
  hooks_.before_last_backward = [this] { reducer_.last_pass(); };
}

std::vector<int64_t> TrainingStep::clips_per_rank(int64_t clips) const {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < parts_.communicator.size(); ++rank) {
    const datastore::ClipRange share =
        datastore::share_of_rank(clips, rank, parts_.communicator.size());
    counts.push_back(share.end - share.begin);
  }
  return counts;
}

models::ForwardContext TrainingStep::forward_context(const datastore::LoadedBatch& batch) const {
  models::ForwardContext context;
  context.training = true;
  context.statistics = &parts_.statistics;
  for (int64_t clip = batch.share.begin; clip < batch.share.end; ++clip) {
    context.clip_keys.push_back(batch.global[static_cast<size_t>(clip)].key);
  }
  return context;
}

// A forward pass changes running statistics before anybody knows that the loss is not finite.
models::NamedTensors TrainingStep::kept_buffers() const {
  models::NamedTensors kept;
  if (parts_.settings.non_finite() == proto::STOP) return kept;
  for (const auto& [name, value] : parts_.model.buffers()) kept.emplace_back(name, value.clone());
  return kept;
}

void TrainingStep::restore(const models::NamedTensors& kept) const {
  const at::NoGradGuard no_gradients;
  models::NamedTensors buffers = parts_.model.buffers();
  for (size_t i = 0; i < kept.size(); ++i) buffers[i].second.copy_(kept[i].second);
}

// A power of two: nothing is rounded.
void TrainingStep::divide_gradients() const {
  if (loss_scale_.value() == 1) return;
  const at::NoGradGuard no_gradients;
  for (const auto& [name, value] : parameters_) {
    if (value.grad().defined()) value.grad().mul_(1 / loss_scale_.value());
  }
}

void TrainingStep::update(common::StepReport& report) {
  divide_gradients();
  report.loss_scale = loss_scale_.value();
  report.gradient_norm = parts_.update.apply(report.step);
  const bool finite = std::isfinite(report.gradient_norm);
  if (!loss_scale_.judge(finite)) {
    report.not_finite = bad_gradient(parameters_);
  } else {
    report.overflow = !finite;
  }
}

common::StepReport TrainingStep::run(const InputBatch& input, double taking_seconds) {
  const datastore::LoadedBatch& batch = input.facts;
  Stopwatch whole, phase;
  common::StepReport report;
  report.step = batch.step;
  report.total_steps = parts_.settings.steps();

  const int64_t messages_before = parts_.statistics.messages();
  const double seconds_before = parts_.statistics.seconds();

  // 1. Take this rank's share of the global batch.
  const int64_t clips = batch.share.end - batch.share.begin;
  const models::NamedTensors buffers = kept_buffers();
  report.phase_seconds.data_wait = input.waited_seconds;
  const double taking_in = taking_seconds - input.waited_seconds + phase.lap();

  // 2. to 4. Forward, loss over the global batch, backward, in which gradients travel already.
  hooks_.loss_scale = loss_scale_.value();
  reducer_.begin_step(parts_.settings.micro_batch_clips() > 0);
  const models::ForwardContext context = forward_context(batch);
  const StepPasses passes =
      run_forward_backward(parts_.model, parts_.settings.loss(),
                           {input.input, input.labels, context,
                            clips_per_rank(static_cast<int64_t>(batch.global.size())),
                            type_of_products(parts_.settings.precision())},
                           parts_.communicator, parts_.settings.micro_batch_clips(), hooks_);
  const StepLosses& losses = passes.losses;
  report.phase_seconds.forward = taking_in + passes.forward_seconds;
  report.phase_seconds.loss = passes.loss_seconds;
  report.phase_seconds.backward = passes.backward_seconds;
  report.statistics_messages = parts_.statistics.messages() - messages_before;
  report.statistics_seconds = parts_.statistics.seconds() - seconds_before;
  report.not_finite = infinite_losses(losses);
  phase.lap();

  if (report.not_finite.empty()) {
    // 5. Wait until gradients are sums over ranks.
    const ReductionReport sums = reducer_.finish();
    report.gradient_traffic = {sums.bytes, sums.messages, sums.early_messages, sums.busy_seconds};
    report.phase_seconds.communication_exposed = phase.lap();

    // 6. Step.
    update(report);
    if (check_every_ > 0 && batch.step % check_every_ == 0) {
      require_agreement(models::weights_of(parts_.model), batch.step, parts_.communicator);
    }
    report.phase_seconds.optimizer = phase.lap();
  }
  if (!report.not_finite.empty()) restore(buffers);

  // 7. Report.
  report.loss = losses.total;
  report.losses = losses.losses;
  report.statistics = losses.statistics;
  report.learning_rate = parts_.update.learning_rate(batch.step);
  report.clips = clips;
  report.frames = clips * batch.frames;
  report.global_clips = static_cast<int64_t>(batch.global.size());
  report.step_seconds = taking_seconds + whole.lap();
  return report;
}

}  // namespace muster::trainer
